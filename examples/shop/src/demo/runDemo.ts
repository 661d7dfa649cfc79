import type { Logger } from '@posthorn/core'
import type { TransportName, Transports } from '../broker/transports.js'
import type { Databases } from '../database/shopDatabase.js'
import type { Trace } from '../trace/trace.js'
import type { Input } from '../input/readLines.js'
import { startChaos } from './chaos.js'
import type { Chaos, Crashes } from './chaos.js'
import { feed } from './feed.js'
import type { ReadCounter } from './feed.js'
import { createLedger } from './ledger.js'
import type { LedgerCounts } from './ledger.js'
import type { DatabaseCounts } from './reconciliation.js'
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
  /** Stays the caller's; the run makes schemas of its own there, and drops them. */
  readonly databases: Databases
  readonly input: Input
  /** A file that names the users; without it, users are registered as the input names them. */
  readonly usersFile?: string | undefined
  readonly seed: number
  readonly logger: Logger
  /** Fires when the demo shall stop before its end. */
  readonly signal: AbortSignal
  /** Crashes workers on the way and tells of it; undefined: nothing crashes. */
  readonly chaos?: { readonly onCrash: (what: string) => void } | undefined
  /** Watches the run; undefined: nobody does. */
  readonly trace?: Trace | undefined
  /** Orders under way at once. More keeps a slow broker busier, and takes more memory. @default 10_000, with chaos 60 */
  readonly maxUnderWay?: number
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
  /** What the tables say at the end. */
  readonly database: DatabaseCounts
  /** Undefined in a run without chaos. */
  readonly crashes: Crashes | undefined
  readonly isStalled: boolean
  readonly isInterrupted: boolean
}

const stopMs = 10_000
/** Enough to keep a slow broker busy, and few enough to fit into memory and into a queue. */
const maxUnderWay = 10_000
/** So few that every crash meets orders at each step. */
const maxUnderWayInChaos = 60
const maxBytes = 32 * 1_048_576
/** A group of Kafka waits for members that died; the watchdog gives it time for about so many crashes. */
const chaosRounds = { memory: 4, rabbitmq: 3, kafka: 2 }

/** Runs the shop over an input, until every order has its end; rejects where it cannot run at all. */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const course = setOut(options)
  const { shop } = course
  try {
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
    return await resultOf(course, end)
  } finally {
    await shop.release()
  }
}

/** Counted after the stop, which also ends what was still on its way in a run that did not come to its end. */
async function resultOf(course: Course, end: End): Promise<DemoResult> {
  const { shop, ledger, counter, rejections, faults } = course
  const database = await shop.count()
  if (database === undefined) throw new Error('The tables were not opened')
  const facts = {
    transport: course.transports.name,
    read: counter.lines,
    rejections,
    tally: shop.tally,
    faults,
    database,
  }
  return { ...facts, ...ledger.counts(), missing: ledger.missing(), ...end }
}

type Course = ReturnType<typeof setOut>

/** Everything that one run has; nothing is connected yet. */
function setOut(options: DemoOptions) {
  const { transports, databases, logger, seed } = options
  const run = createRun()
  const chaos = options.chaos !== undefined
  const ledger = createLedger({
    maxOrders: options.maxUnderWay ?? (chaos ? maxUnderWayInChaos : maxUnderWay),
    maxBytes,
  })
  const onFault = (error: unknown): void => course.onFault(error)
  const shop = createShop({ transports, databases, logger, seed, run, ledger, chaos, onFault, trace: options.trace })
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

type End = Pick<DemoResult, 'durationMs' | 'lateUsers' | 'crashes' | 'isStalled' | 'isInterrupted'>

async function throughTheShop(course: Course): Promise<End> {
  const startedAt = performance.now()
  const { shop, ledger, run, input, usersFile, stallMs } = course
  const { users, orders, knownUsers } = shop
  const stall = new AbortController()
  const signal = AbortSignal.any([course.signal, stall.signal])
  const giveUp = (): void => {
    ledger.giveUp()
    input.stream.destroy()
  }
  signal.addEventListener('abort', giveUp, { once: true })
  const registrar = createRegistrar({ users, knownUsers, run, signal, patienceMs: stallMs })
  const watchdog = watchProgress({
    // What an earlier run left behind may stand in front of ours: clearing it away is progress too.
    progress: () => sum(course.look()) + knownUsers.size + shop.tally.strays + shop.tally.strayDeadLetters,
    hasWork: () => ledger.underWay + registrar.pending > 0,
    stallMs,
    onStall: () => stall.abort(),
  })
  const chaos = chaosOf(course, signal)
  let durationMs: number
  try {
    if (usersFile !== undefined) await registerAll(usersFile, registrar, signal)
    await feed({ ...course, orders, signal, registrar: usersFile === undefined ? registrar : undefined })
    await ledger.settled()
    durationMs = Math.round(performance.now() - startedAt)
    await chaos?.stop()
    await shop.drained(AbortSignal.any([signal, AbortSignal.timeout(stallMs)]))
  } finally {
    watchdog.stop()
    await chaos?.stop()
    signal.removeEventListener('abort', giveUp)
  }
  const isStalled = stall.signal.aborted
  const lateUsers = registrar.late + (isStalled ? registrar.pending : 0)
  return { durationMs, lateUsers, crashes: chaos?.crashes, isStalled, isInterrupted: course.signal.aborted }
}

function chaosOf(course: Course, signal: AbortSignal): Chaos | undefined {
  const { shop, seed, transports } = course
  if (course.chaos === undefined) return undefined
  return startChaos({
    seed,
    workers: shop.workers,
    dropConnections: transports.dropConnections,
    rounds: chaosRounds[transports.name],
    progress() {
      const { published, handled, deadLettered } = course.look()
      return published + handled + deadLettered
    },
    signal,
    onCrash: course.chaos.onCrash,
    onFault: (error) => course.onFault(error),
  })
}

/** Grows whenever anything happens. */
function sum(progress: DemoProgress): number {
  const { read, readBytes, rejected, published, handled, deadLettered, retried, repeated } = progress
  return read + readBytes + rejected + published + handled + deadLettered + retried + repeated
}
