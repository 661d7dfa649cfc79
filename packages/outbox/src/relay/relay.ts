import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { createDefaultLogger } from '@posthorn/core'
import { createLog, normalLogOptions, refuseProblems, systemClock, withAttributes } from '@posthorn/core/adapter'
import type { Log, Metrics, PartSurroundings, SendOptions, ServicePart, Transport } from '@posthorn/core/adapter'
import type { EntryKey, ParkedDecision, ParkedKey } from '../ports.js'
import { relayHealth } from './relayHealth.js'
import type { RelayHealth, RelayState } from './relayHealth.js'
import { observeRelay } from './relayNumbers.js'
import { normalise, relayProblems } from './relayOptions.js'
import type { RelayOptions } from './relayOptions.js'
import { RelayRun } from './relayRun.js'
import {
  alreadyStarted,
  byDeadline,
  persist,
  refuseWrongTransport,
  startProblems,
  stopDeadline,
  stopped,
} from './relayStart.js'
import type { RelayStartOptions, RelayStopOptions } from './relayStart.js'
import { createCounts, RelayWorld } from './relayWorld.js'

/**
 * Publishes what the outbox has: every committed entry at least once, the entries of one key in their order. As many as one
 * likes may run on one outbox; they share its partitions.
 */
export interface Relay extends ServicePart, AsyncDisposable {
  readonly name: 'relay'
  /** Resolves when the relay runs. On its own it opens its transport; a relay that is attached is started by its service. */
  start(options?: RelayStartOptions): Promise<void>
  start(surroundings: PartSurroundings, options: SendOptions): Promise<void>
  /**
   * Lets what is under way end and gives the partitions back. Always settles by the deadline; what did not end by then is
   * published again by another relay. Idempotent; a stopped relay does not start again.
   */
  stop(options?: RelayStopOptions): Promise<void>
  stop(deadline: number): Promise<void>
  health(): RelayHealth
  /** Publishes what is there now and resolves when nothing is left but keys that wait or are parked; for tests. Only while it runs. */
  runOnce(): Promise<void>
  /** The keys that wait for a decision, of all partitions, the first `limit` of them. */
  parkedKeys(limit?: number): Promise<readonly ParkedKey[]>
  /** Carries a decision out; resolves with how many entries it deleted, or false when the key is not parked. */
  decide(key: EntryKey, decision: ParkedDecision): Promise<number | false>
}

/** Of the time to stop in, what is kept for giving back the partitions. */
const leaveShare = 0.2
const maxLeaveMs = 2_000

/** Makes a relay; throws a `ConfigurationError` that lists all problems before any I/O. */
export function createRelay(options: RelayOptions): Relay {
  refuseProblems('createRelay', relayProblems(options))
  const normal = normalise(options)
  const counts = createCounts()
  const relayName = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  const cancelling = new AbortController()
  let attempts = 0
  let state: RelayState = 'idle'
  let run: RelayRun | undefined
  let endMetrics: (() => void) | undefined
  let log: Log | undefined
  let stopping: Promise<void> | undefined

  /** A start that is repeated goes on with the first. */
  function observe({ system }: Transport, ofService?: Metrics): void {
    const own = options.metrics && withAttributes(options.metrics, { 'messaging.system': system })
    const metrics = own ?? ofService
    if (metrics === undefined) return
    endMetrics ??= observeRelay(metrics, { health: () => relay.health(), maxInFlight: normal.maxInFlight })
  }

  async function begin(within: PartSurroundings, { deadline, signal }: SendOptions): Promise<void> {
    const { transport, logger, clock } = within
    const { store } = options
    attempts += 1
    // A name for each: what an attempt that failed asks of the database may be done much later, and concern its leases alone.
    const name = attempts === 1 ? relayName : `${relayName}.${attempts}`
    const world = new RelayWorld({ name, store, transport, logger, clock, options: normal, counts })
    const attempt = new RelayRun(world)
    run = attempt
    try {
      await byDeadline({ clock, deadline, work: attempt.start(), signals: [signal, cancelling.signal] })
    } catch (error) {
      // Its partitions must not wait for the end of a lease.
      void attempt.leave()
      if (run === attempt) run = undefined
      throw error
    }
    state = 'running'
  }

  async function startWithin(within: PartSurroundings, sendOptions: SendOptions): Promise<void> {
    refuseWrongTransport(options.transport, true)
    if (stopping !== undefined) throw stopped()
    if (state === 'running') throw alreadyStarted()
    state = 'starting'
    observe(within.transport, within.metrics)
    log = createLog(options.logger ?? within.logger, within.clock)
    await begin({ ...within, logger: log }, sendOptions)
  }

  async function startAlone(startOptions: RelayStartOptions): Promise<void> {
    refuseProblems('relay.start', startProblems(startOptions))
    const transport = refuseWrongTransport(options.transport, false)
    if (stopping !== undefined) throw stopped()
    if (state !== 'idle') throw alreadyStarted()
    state = 'starting'
    const clock = options.clock ?? systemClock
    const logger = (log = createLog(options.logger ?? createDefaultLogger(), clock, normalLogOptions(options.logs)))
    observe(transport)
    const step = async (sendOptions: SendOptions): Promise<void> => {
      await transport.connect({ logger, clock }, options.destinations ?? [], sendOptions)
      await begin({ transport, logger, clock }, sendOptions)
    }
    try {
      await persist({ clock, logger, startOptions, cancel: cancelling.signal }, step)
    } catch (error) {
      endMetrics?.()
      endMetrics = undefined
      if (stopping === undefined) state = 'idle'
      throw error
    }
  }

  async function stopBy(deadline: number): Promise<void> {
    cancelling.abort(stopped())
    state = 'draining'
    const clock = run?.world.clock ?? options.clock ?? systemClock
    const untilDeadline = (work: Promise<unknown>, reservedMs = 0): Promise<unknown> =>
      byDeadline({ clock, deadline: deadline - reservedMs, work, signals: [] }).catch(() => undefined)
    // A start that is cut off forgets its run meanwhile.
    const current = run
    if (current !== undefined) {
      const reservedMs = Math.min(Math.max(0, deadline - clock.monotonic()) * leaveShare, maxLeaveMs)
      await untilDeadline(current.drain(), reservedMs)
      await untilDeadline(current.leave())
      current.world.logger.info({ event: 'relay.stopped', undone: current.world.held.count }, 'The relay has stopped')
    }
    if (options.transport !== undefined) await untilDeadline(options.transport.close(deadline))
    log?.flush()
    state = 'stopped'
    endMetrics?.()
  }

  function stop(given: RelayStopOptions | number = {}): Promise<void> {
    stopping ??= stopBy(stopDeadline(given, run?.world.clock ?? options.clock ?? systemClock))
    return stopping
  }

  const relay: Relay = {
    name: 'relay',
    start: (given: RelayStartOptions | PartSurroundings = {}, sendOptions?: SendOptions) =>
      sendOptions === undefined
        ? startAlone(given as RelayStartOptions)
        : startWithin(given as PartSurroundings, sendOptions),
    stop,
    health: () =>
      relayHealth({ state, relay: run?.world.name ?? relayName, run, counts, transport: options.transport }),
    async runOnce() {
      if (run === undefined || state !== 'running') throw stopped()
      await run.runOnce()
    },
    parkedKeys: (limit) => options.store.parkedKeys(limit),
    async decide(key, decision) {
      const decided = await options.store.decide(key, decision)
      if (decided === false) return false
      run?.world.logger.info({ event: 'relay.decided', ...key, decision, deleted: decided }, 'A parked key was decided')
      run?.wake()
      void run?.stats.look()
      return decided
    },
    [Symbol.asyncDispose]: () => stop(),
  }
  return relay
}
