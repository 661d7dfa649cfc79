import type { Logger } from '@posthorn/core'
import type { TransportName, Transports } from '../broker/transports.js'
import type { Input } from '../input/readLines.js'
import { feed } from './feed.js'
import type { ReadCounter } from './feed.js'
import { createLedger } from './ledger.js'
import type { LedgerCounts } from './ledger.js'
import { registerAll } from './registerAll.js'
import { createRegistrar } from './registrar.js'
import { createRejections } from './rejections.js'
import type { Rejections } from './rejections.js'
import { createRun } from './run.js'
import { createShop } from './shop.js'
import type { Tally } from './shop.js'
import { watchProgress } from './watchdog.js'

export interface DemoOptions {
  readonly transports: Transports
  readonly input: Input
  /** A file that names the users; without it, users are registered as the input names them. */
  readonly usersFile?: string | undefined
  readonly seed: number
  readonly logger: Logger
  /** Fires when the demo shall stop before its end. */
  readonly signal: AbortSignal
  /** Without progress for so long, what is under way counts as lost. @default 45_000 */
  readonly stallMs?: number
  /** Is given a look at how far things are, as soon as there is something to see. */
  readonly onStart?: (look: () => DemoProgress) => void
}

/** How far a run is. */
export interface DemoProgress extends LedgerCounts {
  readonly read: number
  readonly readBytes: number
  readonly rejected: number
}

/** What a run came to. */
export interface DemoResult extends LedgerCounts {
  readonly transport: TransportName
  readonly read: number
  readonly rejections: Rejections
  /** From the first line to the last settled order. */
  readonly durationMs: number
  readonly tally: Tally
  /** Lines of the orders that were lost. */
  readonly missing: readonly number[]
  /** Users whose registration was confirmed and did not arrive. */
  readonly lateUsers: number
  /** Lines that were rejected for a fault of the demo itself. */
  readonly faults: number
  /** Messages of earlier runs that were found and cleared away, dead letters aside. */
  readonly strays: number
  readonly isStalled: boolean
  readonly isInterrupted: boolean
}

const stopMs = 10_000
/** Enough to keep a slow broker busy, and few enough to fit into memory and into a queue. */
const window = { maxOrders: 10_000, maxBytes: 32 * 1_048_576 }

/** Runs the shop over an input, until every order has its end; rejects where it cannot run at all. */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const course = setOut(options)
  const { shop, ledger, rejections, counter, run } = course
  let end: End
  try {
    await shop.start(options.signal)
    options.onStart?.(course.look)
    end = await throughTheShop(course)
  } finally {
    options.input.stream.destroy()
    await shop.stop(stopMs)
    options.transports.close()
  }
  // Counted after the stop, which also ends what was still on its way in a run that did not come to its end.
  const { faults } = course
  const facts = { transport: options.transports.name, read: counter.lines, rejections, tally: shop.tally, faults }
  return { ...facts, ...ledger.counts(), missing: ledger.missing(), strays: run.strays, ...end }
}

type Course = ReturnType<typeof setOut>

/** Everything that one run has; nothing is connected yet. */
function setOut(options: DemoOptions) {
  const { transports, logger, seed } = options
  const run = createRun()
  const ledger = createLedger(window)
  const shop = createShop({ transports, logger, seed, run, ledger })
  const rejections = createRejections()
  const counter: ReadCounter = { lines: 0, bytes: 0 }
  const course = {
    ...options,
    stallMs: options.stallMs ?? 45_000,
    run,
    ledger,
    shop,
    rejections,
    counter,
    faults: 0,
    onFault(err: unknown): void {
      course.faults += 1
      if (course.faults === 1) logger.error({ err }, 'The demo has a fault; more of its kind are only counted')
    },
    look: (): DemoProgress => ({
      ...ledger.counts(),
      read: counter.lines,
      readBytes: counter.bytes,
      rejected: rejections.count,
    }),
  }
  return course
}

type End = Pick<DemoResult, 'durationMs' | 'lateUsers' | 'isStalled' | 'isInterrupted'>

async function throughTheShop(course: Course): Promise<End> {
  const startedAt = performance.now()
  const { shop, ledger, run, input, usersFile, stallMs } = course
  const { users, orders } = shop
  const stall = new AbortController()
  const signal = AbortSignal.any([course.signal, stall.signal])
  const giveUp = (): void => {
    ledger.giveUp()
    input.stream.destroy()
  }
  signal.addEventListener('abort', giveUp, { once: true })
  const registrar = createRegistrar({ users, orders, run, signal, patienceMs: stallMs })
  const watchdog = watchProgress({
    // What an earlier run left behind may stand in front of ours: clearing it away is progress too.
    progress: () => sum(course.look()) + orders.users.size + run.strays + shop.tally.strays,
    hasWork: () => ledger.underWay + registrar.pending > 0,
    stallMs,
    onStall: () => stall.abort(),
  })
  try {
    if (usersFile !== undefined) await registerAll(usersFile, registrar, signal)
    await feed({ ...course, orders, signal, registrar: usersFile === undefined ? registrar : undefined })
    await ledger.settled()
  } finally {
    watchdog.stop()
    signal.removeEventListener('abort', giveUp)
  }
  const durationMs = Math.round(performance.now() - startedAt)
  const isStalled = stall.signal.aborted
  const lateUsers = registrar.late + (isStalled ? registrar.pending : 0)
  return { durationMs, lateUsers, isStalled, isInterrupted: course.signal.aborted }
}

/** Grows whenever anything happens. */
function sum(progress: DemoProgress): number {
  const { read, readBytes, rejected, published, handled, deadLettered, retried, repeated } = progress
  return read + readBytes + rejected + published + handled + deadLettered + retried + repeated
}
