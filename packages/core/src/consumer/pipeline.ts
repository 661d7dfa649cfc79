import { setMaxListeners } from 'node:events'
import { SettlementError } from '../errors.js'
import type { HandlerTimeoutError } from '../errors.js'
import type { Delivery } from '../ports.js'
import { createProgressWatch } from '../progressWatch.js'
import type { Publisher } from '../publisher/publisher.js'
import { createSlotted } from '../slotted.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import { createCallRunner } from './callRunner.js'
import type { CallResult } from './callRunner.js'
import type { ResolvedConsumerOptions } from './consumerOptions.js'
import type { HandlerEntry, HandlerTable } from './handlerTable.js'
import { isLost } from './inFlight.js'
import type { InFlight, Which } from './inFlight.js'
import { createIntake } from './intake.js'
import { createLanes } from './lanes.js'
import { messageFacts } from './messageFacts.js'
import type { Outcome } from './outcome.js'
import { hintOfOutcome } from './retryPolicy.js'
import { noReasons } from './reasonCounts.js'
import type { ReasonCounts } from './reasonCounts.js'
import { createRetryRoute } from './retryRoute.js'
import { createScheduler } from './scheduler.js'
import { createSettlement, noCounts } from './settlement.js'
import type { SettledCounts } from './settlement.js'

/** Where deliveries are and how they ended. */
export interface PipelineHealth extends Readonly<SettledCounts> {
  /** Deliveries that are not settled. */
  readonly inFlight: number
  /** Handler calls that run. */
  readonly running: number
  /** Messages that wait within the process for their next attempt. */
  readonly held: number
  /** Calls that ran, or still run, past `handlerTimeoutMs`. */
  readonly timedOut: number
}

/** What metrics are made of, beside `health()`. */
export interface PipelineReadings {
  readonly reasons: ReasonCounts
  /** Deliveries that wait for a slot, and for an earlier message of their key. */
  readonly waiting: { readonly slot: number; readonly key: number }
  readonly waitedMs: number
  /** Age of the oldest delivery that is not settled; 0 without any. */
  readonly oldestMs: number
}

/** What a pipeline tells of itself. */
export interface PipelineFacts extends PipelineHealth {
  /** Handlers are past their time, and nothing has ended for longer than `livenessTimeoutMs`. */
  readonly standsStill: boolean
}

/** A delivery's way: admitted, in its lane, called, judged, settled. */
export interface Pipeline {
  take(destination: string, deliveries: readonly Delivery[]): void
  pause(): void
  resume(): void
  /** While it is paused: releases what was not started, and what would wait from now on. */
  rest(): void
  /** Takes nothing more in, and releases what was not started. */
  drain(): void
  /** Resolves when everything is settled; at the deadline the rest is aborted and released. */
  finish(deadline: number): Promise<void>
  idle(): Promise<void>
  health(): PipelineFacts
  readings(): PipelineReadings
}

export interface PipelineOptions {
  readonly kit: MessagingKit
  readonly group: string
  readonly options: ResolvedConsumerOptions
  readonly table: HandlerTable
  readonly publisher: Publisher | undefined
}

/** Handlers that honour their signal get this share of a stop to end, before their messages are released. */
const abortShare = 0.1
const maxAbortMs = 1_000

export function createPipeline({ kit, group, options, table, publisher }: PipelineOptions): Pipeline {
  const { clock } = kit
  const counts = noCounts()
  const reasons = noReasons()
  const inFlight = createSlotted<InFlight>()
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal) // One for each copy on its way; Node.js warns at eleven.
  /** Signals of lost deliveries that are listened to. */
  const watched = new WeakSet<AbortSignal>()
  let lastWatched: AbortSignal | undefined
  let draining = false
  let paused = false
  let resting = false
  let idleWaiters: (() => void)[] = []

  const intake = createIntake({ kit, group, options, table })
  const lanes = createLanes()
  const runner = createCallRunner({
    kit,
    surroundings: { group, publisher, logger: kit.handlerLogger.child({ group }), telemetry: kit.telemetry },
    handlerTimeoutMs: options.handlerTimeoutMs,
    onLate: (count) => (count > 0 && !draining ? watch.start() : watch.stop()),
  })
  const scheduler = createScheduler({ concurrency: options.concurrency, clock, admit, run })
  const settlement = createSettlement({ kit, group, counts, reasons, stopping: stopping.signal, onSettled })
  const route = createRetryRoute({
    clock,
    counts: reasons.retries,
    options,
    settlement,
    // Read anew: the attempt before may have changed the data.
    again(item) {
      item.admitted = false
      item.waitsSince = clock.monotonic()
      scheduler.ready(item, true)
    },
    isDraining: () => draining || resting,
    onRetry: noteRetry,
    readmit(item) {
      item.waitsSince = clock.monotonic()
      arrive(item)
    },
  })

  const watch = createProgressWatch({
    clock,
    limitMs: options.livenessTimeoutMs,
    progress: () => runner.ended + settledOf(counts),
    // A handler that publishes may rightly wait for a broker that is away.
    isExcused: () => paused || kit.transport.health().state !== 'ready',
    onStandstill(standstillMs) {
      const facts = { event: 'consumer.standstill', group, running: scheduler.running, standstillMs }
      kit.logger.error(facts, 'Handlers are past their time, and nothing ends: health().live is false')
    },
  })

  const freeSingleSlot = (): void => scheduler.freeSlot()

  /** Somebody else gets what is lost: it is not begun any more, and handlers that work on it should end. */
  function watchLost(lost: AbortSignal): void {
    // Neighbours share one: looking it up for each would cost more than the rest of this.
    if (lost === lastWatched) return
    lastWatched = lost
    if (watched.has(lost)) return
    watched.add(lost)
    const reason = new SettlementError({
      code: 'POSTHORN_SETTLEMENT',
      message: 'The broker has taken the message away from this consumer, and delivers it again',
    })
    setMaxListeners(0, lost) // Copies that the broker does not take listen as well.
    const onLost = (): void => {
      // At once, or a broker that delivers anew would add a window with each loss while handlers are slow.
      releaseAll(takeWaiting(isLost))
      runner.abortLost(reason)
    }
    lost.addEventListener('abort', onLost, { once: true })
  }

  function takeOne(destination: string, delivery: Delivery, now: number): void {
    const item: InFlight = {
      slot: -1,
      delivery,
      destination,
      arrivedAt: now,
      waitsSince: now,
      admitted: false,
      envelope: undefined,
      entry: undefined,
      attempt: 0,
      firstFailedAt: undefined,
      laneKey: undefined,
      timer: undefined,
      settled: false,
    }
    inFlight.add(item)
    arrive(item)
  }

  /** A message enters its lane before it is read, where the broker tells its key; else it is read to learn it. */
  function arrive(item: InFlight): void {
    if (draining || resting) return settlement.settle(item, { kind: 'release' })
    if (options.order !== undefined && item.laneKey === undefined) {
      const known = item.delivery.partitionKey
      if (known === undefined && !admit(item)) return
      const key = known ?? item.envelope?.partitionkey
      // Two destinations have no order between them.
      if (key !== undefined) item.laneKey = `${item.destination}\u0000${key}`
      if (!lanes.enter(item)) return
    }
    scheduler.ready(item, false)
  }

  /** True when a handler is to be called. */
  function admit(item: InFlight): boolean {
    if (isLost(item)) {
      settlement.settle(item, { kind: 'release' })
      return false
    }
    const admission = intake.admit(item)
    switch (admission.kind) {
      case 'handle':
        item.admitted = true
        return true
      case 'skip':
        settlement.settle(item, admission)
        return false
      case 'wait':
        route.wait(item, admission)
        return false
      case 'deadLetter': {
        const { reason, error } = admission
        // Redeliveries are no attempts: a crash takes back what only waited in the process, too.
        const attempts = Math.max(0, item.attempt - 1)
        settlement.settle(item, { kind: 'deadLetter', reason, error, attempts })
        return false
      }
    }
  }

  function run(entry: HandlerEntry, items: readonly InFlight[]): void {
    // The slot of a batch is not worth holding for one of its items.
    const freeSlot = items.length === 1 ? freeSingleSlot : undefined
    runner.run(entry, items, (result) => {
      let slotStays = false
      for (let index = 0; index < items.length; index += 1) {
        if (judge(items[index]!, resultOf(result, index), freeSlot)) slotStays = true
      }
      if (!slotStays) scheduler.freeSlot()
    })
  }

  /** True when the item waits in the process and keeps the slot meanwhile. */
  function judge(item: InFlight, result: ItemResult, freeSlot: (() => void) | undefined): boolean {
    if (item.settled) return noteLate(item)
    // Whoever has it now tries it again, or puts it aside.
    const fate: ItemResult = result.kind !== 'complete' && isLost(item) ? { kind: 'release' } : result
    switch (fate.kind) {
      case 'complete':
      case 'discard':
      case 'release':
        settlement.settle(item, fate)
        return false
      case 'deadLetter': {
        const error = fate.error ?? new Error(fate.reason)
        settlement.settle(item, { kind: 'deadLetter', reason: 'rejected', error, attempts: item.attempt })
        return false
      }
      case 'retryAfter': {
        const error = new Error(`The handler asked for a retry after ${fate.delayMs} ms`)
        return route.failed(item, { error, record: undefined, hintMs: hintOfOutcome(fate), freeSlot })
      }
      case 'failed':
        return route.failed(item, { error: fate.error, record: fate.timeout, hintMs: undefined, freeSlot })
    }
  }

  function noteRetry(
    item: InFlight,
    { error: err, delayMs }: { readonly error: unknown; readonly delayMs: number },
  ): void {
    const facts = { event: 'message.retried', ...messageFacts(item, group), delayMs, err }
    kit.logger.debug(facts, 'An attempt failed; the message is tried again')
  }

  /** The message was released at the stop's deadline: the broker delivers it again, whatever this call did. */
  function noteLate(item: InFlight): false {
    const err = new SettlementError({
      code: 'POSTHORN_SETTLEMENT',
      message: 'A handler ended after its message was released; the message is delivered again',
    })
    kit.logger.warn({ event: 'settle.late', ...messageFacts(item, group), err }, err.message)
    return false
  }

  function onSettled(item: InFlight): void {
    inFlight.remove(item)
    item.timer?.cancel()
    const next = lanes.leave(item)
    if (next !== undefined) scheduler.ready(next, false)
    if (inFlight.size > 0 || idleWaiters.length === 0) return
    const waiters = idleWaiters
    idleWaiters = []
    for (const wake of waiters) wake()
  }

  function idle(): Promise<void> {
    return inFlight.size === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))
  }

  /** Takes out what no handler has; lanes first: settling the head of one would otherwise start the next. */
  function takeWaiting(isWanted?: Which): InFlight[] {
    return [...lanes.drain(isWanted), ...scheduler.drain(isWanted), ...route.drain(isWanted)]
  }

  function releaseAll(items: Iterable<InFlight>): void {
    for (const item of items) settlement.settle(item, { kind: 'release' })
  }

  return {
    take(destination, deliveries) {
      const now = clock.monotonic()
      for (const delivery of deliveries) {
        if (delivery.lost !== undefined) watchLost(delivery.lost)
        takeOne(destination, delivery, now)
      }
    },
    pause() {
      paused = true
      scheduler.pause()
    },
    resume() {
      paused = false
      resting = false
      scheduler.resume()
    },
    rest() {
      resting = true
      releaseAll(takeWaiting())
    },
    drain() {
      draining = true
      watch.stop()
      releaseAll(takeWaiting())
    },
    async finish(deadline) {
      const leftMs = Math.max(0, deadline - clock.monotonic())
      const abortMs = Math.min(maxAbortMs, leftMs * abortShare)
      const timers = [
        clock.schedule(leftMs - abortMs, () => runner.abortAll(new Error('The service stops'))),
        clock.schedule(leftMs, () => {
          stopping.abort(new Error('The service stops'))
          releaseAll(inFlight.snapshot())
        }),
      ]
      await idle()
      for (const timer of timers) timer.cancel()
    },
    idle,
    health: () => ({
      ...counts,
      inFlight: inFlight.size,
      running: scheduler.running,
      held: route.held,
      timedOut: runner.timedOut,
      standsStill: watch.standsStill,
    }),
    readings() {
      const now = clock.monotonic()
      const oldest = inFlight.snapshot().reduce((at, { arrivedAt }) => Math.min(at, arrivedAt), now)
      const waiting = { slot: scheduler.waiting, key: lanes.waiting }
      return { reasons, waiting, waitedMs: runner.waitedMs, oldestMs: now - oldest }
    },
  }
}

type ItemResult =
  | Outcome
  | { readonly kind: 'failed'; readonly error: unknown; readonly timeout: HandlerTimeoutError | undefined }
  | { readonly kind: 'release' }

function settledOf({ handled, retried, forwarded, deadLettered, skipped, discarded, released }: SettledCounts): number {
  return handled + retried + forwarded + deadLettered + skipped + discarded + released
}

function resultOf(result: CallResult, index: number): ItemResult {
  if (result.ok) return result.outcomes[index]!
  // A handler that fails because the stop aborted it has not failed by itself.
  return result.stopped ? { kind: 'release' } : { kind: 'failed', error: result.error, timeout: result.timeout }
}
