import { setTimeout as rest } from 'node:timers/promises'
import type { CrashPoint } from './workers/crashPoints.js'
import type { Worker, WorkerName } from './workers/worker.js'

/** How often what has crashed. */
export type Crashes = Readonly<Record<WorkerName | 'connections', number>>

/** Lets workers die at moments that follow from a seed and from how far the run is. */
export interface Chaos {
  readonly crashes: Crashes
  /** Resolves when what has died is alive again; nothing dies after that. */
  stop(): Promise<void>
}

export interface ChaosOptions {
  readonly seed: number
  readonly workers: readonly Worker[]
  /** Breaks the connections of everybody, where that can be done. */
  readonly dropConnections: (() => void) | undefined
  /** How often everything crashes, in another order each time. */
  readonly rounds: number
  /** Orders that were published, and that have come to their end. */
  readonly progress: () => number
  readonly signal: AbortSignal
  readonly onCrash: (what: string) => void
  readonly onFault: (error: unknown) => void
}

interface Crash {
  readonly name: keyof Crashes
  readonly what: string
  run(): Promise<void> | void
}

const lookMs = 10
/** Between two crashes the run gets so much further, and up to that much more. */
const minSteps = 30

const points: Readonly<Record<WorkerName, readonly (readonly [CrashPoint, string])[]>> = {
  orders: [
    ['beforeCommit', 'the order service in the middle of a transaction'],
    ['afterCommit', 'the order service between a commit and its acknowledgement'],
  ],
  payments: [
    ['beforeCommit', 'the payment worker in the middle of a handler'],
    ['afterCommit', 'the payment worker between a commit and its acknowledgement'],
  ],
  relay: [['beforeDelete', 'the relay between a confirmation and the deletion']],
}

export function startChaos(options: ChaosOptions): Chaos {
  const { seed, progress, onCrash, onFault } = options
  const crashes = { orders: 0, payments: 0, relay: 0, connections: 0 }
  const random = createRandom(seed)
  const over = new AbortController()

  async function run(): Promise<void> {
    let next = minSteps
    for (const crash of planOf(options, random)) {
      while (progress() < next && !over.signal.aborted) await rest(lookMs)
      if (over.signal.aborted || options.signal.aborted) return
      await crash.run()
      crashes[crash.name] += 1
      onCrash(crash.what)
      next = progress() + minSteps + Math.floor(random() * minSteps)
    }
  }

  const running = run().catch((error: unknown) => {
    if (!options.signal.aborted) onFault(error)
  })
  return {
    crashes,
    async stop() {
      over.abort()
      await running
    },
  }
}

/** Each worker once in a round, at its points in turn; the connections in every other round. */
function planOf(options: ChaosOptions, random: () => number): Crash[] {
  const { workers, dropConnections, rounds, signal } = options
  return Array.from({ length: rounds }, (_, round) => {
    const crashes: Crash[] = workers.map((worker) => {
      const [point, what] = points[worker.name][round % points[worker.name].length]!
      return { name: worker.name, what, run: () => worker.crash(point, signal) }
    })
    if (dropConnections !== undefined && round % 2 === 1) {
      crashes.push({ name: 'connections', what: 'every connection to the broker', run: dropConnections })
    }
    return shuffled(crashes, random)
  }).flat()
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0]!)
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
