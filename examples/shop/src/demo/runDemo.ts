import type { Logger } from '@posthorn/core'
import type { TransportName, Transports } from '../broker/transports.js'
import type { Input } from '../input/readLines.js'
import { readUsers } from '../input/readUsers.js'
import { feed } from './feed.js'
import type { ReadCounter } from './feed.js'
import { createLedger } from './ledger.js'
import type { Ledger, LedgerCounts } from './ledger.js'
import { createRegistrar } from './registrar.js'
import type { Registrar } from './registrar.js'
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
  const { transports, signal, logger, seed } = options
  const run = createRun()
  const ledger = createLedger(window)
  const shop = createShop({ transports, logger, seed, run, ledger })
  const rejections = createRejections()
  const counter: ReadCounter = { lines: 0, bytes: 0 }
  const look = (): DemoProgress => ({
    ...ledger.counts(),
    read: counter.lines,
    readBytes: counter.bytes,
    rejected: rejections.count,
  })
  let end: End
  try {
    await shop.start(signal)
    options.onStart?.(look)
    end = await throughTheShop({ ...options, run, ledger, shop, rejections, counter, look })
  } finally {
    options.input.stream.destroy()
    await shop.stop(stopMs)
    transports.close()
  }
  // Counted after the stop, which also ends what was still on its way in a run that did not come to its end.
  const facts = { transport: transports.name, read: counter.lines, rejections, tally: shop.tally }
  return { ...facts, ...ledger.counts(), missing: ledger.missing(), strays: run.strays, ...end }
}

interface Course extends DemoOptions {
  readonly run: ReturnType<typeof createRun>
  readonly ledger: Ledger
  readonly shop: ReturnType<typeof createShop>
  readonly rejections: Rejections
  readonly counter: ReadCounter
  readonly look: () => DemoProgress
}

type End = Pick<DemoResult, 'durationMs' | 'lateUsers' | 'faults' | 'isStalled' | 'isInterrupted'>

async function throughTheShop(course: Course): Promise<End> {
  const startedAt = performance.now()
  const { shop, ledger, run, input, usersFile, counter, rejections, look } = course
  const stallMs = course.stallMs ?? 45_000
  const stall = new AbortController()
  let faults = 0
  const onFault = (err: unknown): void => {
    faults += 1
    if (faults === 1) course.logger.error({ err }, 'The demo has a fault; more of its kind are only counted')
  }
  const signal = AbortSignal.any([course.signal, stall.signal])
  const giveUp = (): void => {
    ledger.giveUp()
    input.stream.destroy()
  }
  signal.addEventListener('abort', giveUp, { once: true })
  const { users, orders } = shop
  const registrar = createRegistrar({ users, orders, run, signal, patienceMs: stallMs })
  const watchdog = watchProgress({
    // What an earlier run left behind may stand in front of ours: clearing it away is progress too.
    progress: () => sum(look()) + orders.users.size + run.strays + shop.tally.strays,
    hasWork: () => ledger.underWay + registrar.pending > 0,
    stallMs,
    onStall: () => stall.abort(),
  })
  try {
    if (usersFile !== undefined) await registerAll(usersFile, registrar, signal)
    const registering = usersFile === undefined ? registrar : undefined
    await feed({ input, orders, registrar: registering, ledger, rejections, run, signal, counter, onFault })
    await ledger.settled()
  } finally {
    watchdog.stop()
    signal.removeEventListener('abort', giveUp)
  }
  const durationMs = Math.round(performance.now() - startedAt)
  const { late: lateUsers } = registrar
  return { durationMs, lateUsers, faults, isStalled: stall.signal.aborted, isInterrupted: course.signal.aborted }
}

const maxRegistrations = 1_000

async function registerAll(path: string, registrar: Registrar, signal: AbortSignal): Promise<void> {
  let batch: Promise<void>[] = []
  for await (const userId of readUsers(path)) {
    if (signal.aborted) break
    const ready = registrar.ready(userId)
    ready.catch(() => {}) // It is awaited with its batch, and must not count as unhandled until then.
    batch.push(ready)
    if (batch.length < maxRegistrations) continue
    await Promise.all(batch)
    batch = []
  }
  await Promise.all(batch)
}

function sum(progress: DemoProgress): number {
  const { read, readBytes, rejected, published, handled, deadLettered, retried, repeated } = progress
  return read + readBytes + rejected + published + handled + deadLettered + retried + repeated
}
