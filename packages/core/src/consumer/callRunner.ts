import type { TimerHandle } from '../clock.js'
import { createSlotted } from '../slotted.js'
import { HandlerTimeoutError } from '../errors.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import type { BatchItem } from './handler.js'
import type { HandlerEntry } from './handlerTable.js'
import { dataOf, isLost } from './inFlight.js'
import type { InFlight } from './inFlight.js'
import { messageFacts } from './messageFacts.js'
import type { Outcome } from './outcome.js'
import { Work } from './workContext.js'
import type { WorkSurroundings } from './workContext.js'

/** What came of one call. */
export type CallResult =
  | { readonly ok: true; readonly outcomes: readonly Outcome[] }
  | {
      readonly ok: false
      /** What was thrown: the policy sees it as it is. */
      readonly error: unknown
      /** What the record says instead, when the call failed after its time. */
      readonly timeout: HandlerTimeoutError | undefined
      /** The stop of the consumer had fired its signal. */
      readonly stopped: boolean
    }

export interface CallRunner {
  /** Calls the handler; `onEnd` is called exactly once, perhaps before this returns. Never throws. */
  run(entry: HandlerEntry, items: readonly InFlight[], onEnd: (result: CallResult) => void): void
  /** Fires the signals of all running calls. */
  abortAll(reason: unknown): void
  /** Fires the signals of the calls whose messages are all lost by now. */
  abortLost(reason: unknown): void
  readonly running: number
  readonly timedOut: number
  /** How long messages have waited for their call, all added up; only counted while telemetry looks. */
  readonly waitedMs: number
  /** Calls that have ended, and had not ended at once. */
  readonly ended: number
}

export interface CallRunnerOptions {
  readonly kit: MessagingKit
  readonly surroundings: WorkSurroundings
  readonly handlerTimeoutMs: number
  /** Called when the number of running calls that are past their time has changed. */
  readonly onLate: (count: number) => void
}

/**
 * Runs handlers. A call that takes too long has its signal fired and keeps its slot until it settles: a message is
 * never settled while its handler still works on it. One timer watches all calls, since the oldest is due first.
 */
export function createCallRunner(options: CallRunnerOptions): CallRunner {
  const { kit, surroundings, handlerTimeoutMs } = options
  const { clock, telemetry } = kit
  const calls = createSlotted<Work>()
  let timer: TimerHandle | undefined
  let timedOut = 0
  let waitedMs = 0
  let lateCount = 0
  let ended = 0
  let stopReason: unknown

  function watch(): void {
    const oldest = oldestInTime()
    if (timer !== undefined || oldest === undefined) return
    const waitMs = Math.max(1, oldest.startedAt + handlerTimeoutMs - clock.monotonic())
    timer = clock.schedule(waitMs, sweep, { background: true })
  }

  function oldestInTime(): Work | undefined {
    let oldest: Work | undefined
    for (const call of calls.snapshot()) {
      if (!call.late && (oldest === undefined || call.startedAt < oldest.startedAt)) oldest = call
    }
    return oldest
  }

  function sweep(): void {
    timer = undefined
    const due = clock.monotonic() - handlerTimeoutMs
    for (const call of calls.snapshot()) if (!call.late && call.startedAt <= due) markLate(call)
    watch()
  }

  function markLate(call: Work): void {
    call.late = true
    timedOut += 1
    options.onLate((lateCount += 1))
    call.abort(timeoutOf(call))
    const facts = { event: 'handler.timeout', ...messageFacts(call.sources[0]!, surroundings.group), handlerTimeoutMs }
    kit.logger.warn(facts, 'A handler takes longer than handlerTimeoutMs; its slot stays taken until it settles')
  }

  function remove(call: Work): void {
    calls.remove(call)
    ended += 1
    if (call.late) options.onLate((lateCount -= 1))
  }

  function timeoutOf(work: Work, cause?: unknown): HandlerTimeoutError {
    return new HandlerTimeoutError({
      code: 'POSTHORN_HANDLER_TIMEOUT',
      message: `The handler of ${work.contract.type} failed after its ${handlerTimeoutMs} ms`,
      cause,
    })
  }

  function observed(entry: HandlerEntry, work: Work, items: readonly InFlight[]): unknown {
    const now = clock.monotonic()
    for (const item of items) waitedMs += now - item.waitsSince
    const processing = {
      destination: work.destination,
      group: surroundings.group,
      source: 'work' as const,
      isBatch: entry.registration.batch !== undefined,
      messages: items,
    }
    return telemetry?.process(processing, () => entry.invoke.call(work))
  }

  return {
    run(entry, items, onEnd) {
      const batch = items.length === 1 ? [toBatchItem(items[0]!)] : items.map(toBatchItem)
      const work = new Work(surroundings, entry.registration.contract, batch)
      let result: unknown
      try {
        result = telemetry?.isActive === true ? observed(entry, work, items) : entry.invoke.call(work)
        if (!isPromiseLike(result)) return onEnd(read(entry, result, items.length))
      } catch (error) {
        return onEnd({ ok: false, error, timeout: undefined, stopped: false })
      }
      work.startedAt = clock.monotonic()
      work.sources = items
      calls.add(work)
      if (timer === undefined) watch()
      if (stopReason !== undefined) work.abort(stopReason)
      // A foreign thenable may settle twice, throw, or resolve to another one; a promise does none of that.
      const promise = result instanceof Promise ? (result as Promise<unknown>) : Promise.resolve(result)
      promise.then(
        (value) => {
          remove(work)
          onEnd(read(entry, value, items.length))
        },
        (error: unknown) => {
          remove(work)
          const timeout = work.late ? timeoutOf(work, error) : undefined
          onEnd({ ok: false, error, timeout, stopped: stopReason !== undefined })
        },
      )
    },
    abortAll(reason) {
      stopReason = reason
      timer?.cancel()
      timer = undefined
      for (const call of calls.snapshot()) call.abort(reason)
    },
    abortLost(reason) {
      for (const call of calls.snapshot()) {
        if (call.sources.every(isLost)) call.abort(reason)
      }
    },
    get running() {
      return calls.size
    },
    get timedOut() {
      return timedOut
    },
    get waitedMs() {
      return waitedMs
    },
    get ended() {
      return ended
    },
  }
}

function toBatchItem(item: InFlight): BatchItem {
  const envelope = item.envelope!
  return {
    data: dataOf(envelope),
    envelope,
    attempt: item.attempt,
    headers: item.delivery.headers,
  }
}

function read(entry: HandlerEntry, result: unknown, count: number): CallResult {
  try {
    return { ok: true, outcomes: entry.invoke.outcomesOf(result, count) }
  } catch (error) {
    return { ok: false, error, timeout: undefined, stopped: false }
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
