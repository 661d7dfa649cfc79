import type { ObservableResult } from '@opentelemetry/api'
import type { InstrumentFacts, MetricAttributes, Reading } from '@posthorn/core/adapter'
import type { BoundedNames } from './boundedNames.js'
import { quietly } from './quietly.js'

/** The attributes whose values an application chooses, with the bound of each. */
export type NameBounds = Readonly<Record<string, BoundedNames>>

type Read = () => Iterable<Reading>

/** What the readings of one set of attributes come to. */
interface Point {
  readonly attributes: MetricAttributes
  readonly value: number
}

/**
 * One observed instrument: everybody's readings together, those that cannot be told apart combined. A counter keeps what was
 * counted by those that ended; a gauge says 0 for what nobody tells any more, since an SDK would repeat its last value for ever.
 */
export class Observable {
  readonly #facts: InstrumentFacts
  readonly #isCounter: boolean
  readonly #bounds: NameBounds
  readonly #reads = new Set<Read>()
  readonly #kept = new Map<string, Point>()

  constructor(facts: InstrumentFacts, { isCounter, bounds }: { isCounter: boolean; bounds: NameBounds }) {
    this.#facts = facts
    this.#isCounter = isCounter
    this.#bounds = bounds
  }

  /** Has `read` asked at each collection; what is returned ends that, and can be called again. */
  add(read: Read): () => void {
    this.#reads.add(read)
    return () => {
      if (!this.#reads.delete(read)) return
      if (this.#isCounter) this.#gather(this.#kept, read)
    }
  }

  /** Tells everything to a collection. */
  observe(result: ObservableResult): void {
    const points = new Map(this.#isCounter ? this.#kept : [])
    for (const read of this.#reads) this.#gather(points, read)
    for (const { value, attributes } of points.values()) result.observe(value, attributes)
    if (this.#isCounter) return
    for (const [key, { attributes }] of this.#kept) if (!points.has(key)) result.observe(0, attributes)
    for (const [key, point] of points) this.#kept.set(key, point)
  }

  #gather(points: Map<string, Point>, read: Read): void {
    // One that throws must not take the others with it.
    for (const reading of quietly(() => [...read()]) ?? []) {
      const attributes = bounded(reading.attributes ?? {}, this.#bounds)
      const key = JSON.stringify(Object.entries(attributes).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      const before = points.get(key)
      const value = before === undefined ? reading.value : combined(this.#facts, [before.value, reading.value])
      points.set(key, { attributes, value })
    }
  }
}

/** Names beyond the bound are left away: what has none is one series together. */
function bounded(attributes: MetricAttributes, bounds: NameBounds): MetricAttributes {
  const isAdmitted = ([name, value]: [string, unknown]): boolean => bounds[name]?.admit(String(value)) !== false
  return Object.fromEntries(Object.entries(attributes).filter(isAdmitted))
}

function combined({ combine = 'sum' }: InstrumentFacts, values: readonly [number, number]): number {
  if (combine === 'max') return Math.max(...values)
  return combine === 'min' ? Math.min(...values) : values[0] + values[1]
}
