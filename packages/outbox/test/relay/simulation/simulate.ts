import { createMemoryStore } from '../../../src/index.js'
import type { MemoryStore } from '../../../src/index.js'
import { SimProcess } from './process.js'
import type { Faults } from './faults.js'
import { SimBroker } from './simBroker.js'
import { seededRandom } from '../../../../../test/seededRandom.js'
import { SimClock } from './simClock.js'
import { Writers } from './writers.js'

/** How a simulation differs from the plain one. */
export interface SimulationOptions {
  /** Processes die and stand still, calls and sends fail. Without, nothing may be published twice. */
  readonly hasFaults: boolean
  readonly decorate?: (store: MemoryStore) => MemoryStore
}

const quiet: Faults = { store: 0, send: 0, slow: 0 }
const writingMs = 6_000

/** What happened, and what of it was against the promises. */
export interface History {
  readonly problems: readonly string[]
  /** Ids in the order in which they arrived. */
  readonly arrivals: readonly string[]
}

/** Runs one history, the same for the same seed. */
export async function simulate(seed: number, options: SimulationOptions): Promise<History> {
  // The jitter of waits, without which no history would be like another.
  const { random } = Math
  Math.random = seededRandom(seed + 1_000_000)
  try {
    return await run(seededRandom(seed), options)
  } finally {
    Math.random = random
  }
}

async function run(random: () => number, options: SimulationOptions): Promise<History> {
  const clock = new SimClock()
  const store = createMemoryStore({ clock, partitionCount: 4 })
  const broker = new SimBroker(clock)
  const writers = new Writers(clock, store, broker, random)
  let faults = options.hasFaults ? { store: random() * 0.2, send: random() * 0.2, slow: random() * 0.05 } : quiet
  const processes: SimProcess[] = []
  const skipped = new Set<string>()
  const problems: string[] = []
  let isOver = false

  function add(): SimProcess {
    const process = new SimProcess({
      clock,
      store,
      broker,
      random,
      faults: () => faults,
      decorate: options.decorate ?? ((same) => same),
      maxInFlightPerKey: 1,
    })
    processes.push(process)
    process.start()
    return process
  }

  /** Comes and goes before the others have made room for it, and so calls off what they were about to give back. */
  async function visit(): Promise<void> {
    const visitor = add()
    await clock.after(random() * 1_000)
    await visitor.stop()
  }

  const alive = (): SimProcess[] => processes.filter(({ isDead }) => !isDead)

  async function write(): Promise<void> {
    while (!isOver) {
      await writers.write()
      await clock.after(random() * 120)
    }
  }

  async function disturb(): Promise<void> {
    while (!isOver) {
      await clock.after(200 + random() * 1_500)
      const [victim] = alive().sort(() => random() - 0.5)
      const fate = random()
      if (isOver) return
      if (alive().length < 3 && fate < 0.35) add()
      else if (alive().length < 3 && fate < 0.5) void visit()
      else if (victim === undefined) continue
      else if (fate < 0.65) void victim.stop()
      else if (options.hasFaults && fate < 0.8) victim.die()
      else if (options.hasFaults) victim.pause(random() * 3_000)
    }
  }

  /** An operator who looks at parked keys now and then. */
  async function operate(): Promise<void> {
    for (;;) {
      await clock.after(300)
      for (const parked of await store.parkedKeys()) {
        if (!broker.refusals.has(parked.messageId)) problems.push(`${parked.messageId} is parked without a reason`)
        const isHopeless = (broker.refusals.get(parked.messageId) ?? 0) > 1_000
        if (isHopeless) skipped.add(parked.messageId)
        await store.decide(parked, isHopeless ? 'skip' : 'retry')
      }
    }
  }

  add()
  void write()
  void write()
  void write()
  void disturb()
  void operate()
  await clock.runUntil(writingMs)
  isOver = true
  faults = quiet
  // Whatever happened, those that are left must be enough: another would move partitions, and with them what is stuck.
  await clock.runUntil(writingMs + 6_000)
  if (alive().length === 0) add()
  let depth = -1
  const isEmpty = async (): Promise<void> => {
    for (;;) {
      depth = (await store.stats()).depth
      await clock.after(100)
    }
  }
  void isEmpty()
  await clock.runUntil(writingMs + 120_000, () => depth === 0)
  if (depth !== 0) problems.push(`${depth} entries are left`)
  problems.push(...verdict({ writers, broker, skipped, hasFaults: options.hasFaults }))
  return { problems, arrivals: broker.arrivals.map(({ id }) => id) }
}

interface Evidence {
  readonly writers: Writers
  readonly broker: SimBroker
  readonly skipped: ReadonlySet<string>
  readonly hasFaults: boolean
}

function verdict({ writers, broker, skipped, hasFaults }: Evidence): string[] {
  const { committed, later, rolledBack } = writers.ledger
  const problems: string[] = []
  const first = new Map<string, number>()
  for (const { id, at } of broker.arrivals) {
    if (rolledBack.has(id)) problems.push(`${id} is a ghost`)
    if (at < (later.get(id) ?? 0)) problems.push(`${id} came before its time`)
    if (first.has(id) && !hasFaults) problems.push(`${id} came twice without a fault`)
    if (!first.has(id)) first.set(id, first.size)
  }
  for (const id of [...[...committed.values()].flat(), ...later.keys()]) {
    if (!first.has(id) && !skipped.has(id)) problems.push(`${id} is lost`)
  }
  for (const ids of committed.values()) {
    const places = ids.filter((id) => first.has(id)).map((id) => ({ id, place: first.get(id) ?? 0 }))
    places.forEach(({ id, place }, index) => {
      const before = places[index - 1]
      if (before !== undefined && before.place > place) problems.push(`${id} came before ${before.id}`)
    })
  }
  return problems
}
