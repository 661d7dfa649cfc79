import type { Counter, Histogram } from '@opentelemetry/api'
import type { MetricAttributes } from '@posthorn/core/adapter'

/*
 * The only place that reaches into an SDK. For each measurement `@opentelemetry/sdk-metrics` 2 sorts the names of the
 * attributes and writes them all as JSON to find the series, which takes longer than everything else together that is measured
 * of a message; its API has no way to keep a series. Here the series is looked up once after each collection. An SDK that
 * does not look as this one does, or that has a view on the attributes, is measured through its API.
 */

/** One set of attributes of an instrument. */
export interface Series {
  measure(value: number): void
}

/** Follows an instrument that changes when another SDK is registered; a measurement without any goes nowhere. */
export class BoundSeries<Instrument extends Counter | Histogram> implements Series {
  readonly #current: () => Instrument | undefined
  readonly #measure: (instrument: Instrument, value: number, attributes: MetricAttributes) => void
  readonly #attributes: MetricAttributes
  #seen: Instrument | undefined
  #cells: readonly Cell[] | undefined

  constructor(
    current: () => Instrument | undefined,
    measure: (instrument: Instrument, value: number, attributes: MetricAttributes) => void,
    attributes: MetricAttributes,
  ) {
    this.#current = current
    this.#measure = measure
    this.#attributes = attributes
  }

  measure(value: number): void {
    const instrument = this.#current()
    if (instrument === undefined) return
    const isSeen = instrument === this.#seen
    if (isSeen && this.#cells !== undefined && value >= 0 && this.#cells.every(isCurrent)) {
      for (const { accumulation } of this.#cells) accumulation.record(value)
      return
    }
    this.#measure(instrument, value, this.#attributes)
    // Not at the first time: what is measured once is not worth it.
    this.#cells = isSeen ? cellsOf(instrument, this.#attributes) : undefined
    this.#seen = instrument
  }
}

/** Where one reader of the SDK adds up a series until it collects. */
interface Cell {
  readonly delta: Delta
  readonly table: Table
  readonly hash: string
  readonly accumulation: Accumulation
}

/** True while the SDK itself would add to it. */
function isCurrent({ delta, table, hash, accumulation }: Cell): boolean {
  return delta._activeCollectionStorage === table && table._valueMap.get(hash) === accumulation
}

function cellsOf(instrument: object, attributes: MetricAttributes): readonly Cell[] | undefined {
  const storage = (instrument as Insides)._writableMetricStorage
  if (storage === undefined) return undefined
  const cells: Cell[] = []
  // With several readers there are several.
  for (const one of storage._backingStorages ?? [storage]) {
    const cell = cellOf(one, attributes)
    if (cell === undefined) return undefined
    cells.push(cell)
  }
  return cells
}

function cellOf(storage: Storage, attributes: MetricAttributes): Cell | undefined {
  const delta = storage._deltaMetricStorage
  const table = delta?._activeCollectionStorage
  if (storage._attributesProcessor !== undefined || delta === undefined || !isKnown(table)) return undefined
  const hash = table._hash(attributes)
  const accumulation = table._valueMap.get(hash)
  // None: there are too many series, and this one is counted among the others.
  if (typeof accumulation?.record !== 'function') return undefined
  return { delta, table, hash, accumulation }
}

function isKnown(table: Partial<Table> | undefined): table is Table {
  return typeof table?._hash === 'function' && table._valueMap instanceof Map
}

/** What is used of an instrument of `@opentelemetry/sdk-metrics` beyond its types. */
interface Insides {
  readonly _writableMetricStorage?: Storage & { readonly _backingStorages?: readonly Storage[] }
}

interface Storage {
  /** Of a view. */
  readonly _attributesProcessor?: unknown
  readonly _deltaMetricStorage?: Delta
}

interface Delta {
  /** Another one after each collection. */
  readonly _activeCollectionStorage: Table
}

interface Table {
  readonly _hash: (attributes: MetricAttributes) => string
  readonly _valueMap: ReadonlyMap<string, Accumulation>
}

interface Accumulation {
  record(value: number): void
}
