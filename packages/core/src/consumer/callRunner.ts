import type { TimerHandle } from '../clock.js'
import { createSlotted } from '../slotted.js'
import { HandlerTimeoutError } from '../errors.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import type { BatchItem } from './handler.js'
import type { HandlerEntry } from './handlerTable.js'
import { dataOf } from './inFlight.js'
import type { InFlight } from './inFlight.js'
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
  readonly running: number
  readonly timedOut: number
}

export interface CallRunnerOptions {
  readonly kit: MessagingKit
  readonly surroundings: WorkSurroundings
  readonly handlerTimeoutMs: number
}

/**
 * Runs handlers. A call that takes too long has its signal fired and keeps its slot until it settles: a message is
 * never settled while its handler still works on it. One timer watches all calls, since the oldest is due first.
 */
export function createCallRunner({ kit, surroundings, handlerTimeoutMs }: CallRunnerOptions): CallRunner {
  const { clock } = kit
  const calls = createSlotted<Work>()
  let timer: TimerHandle | undefined
  let timedOut = 0
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
    call.abort(timeoutOf(call))
    const facts = { event: 'handler.timeout', type: call.contract.type, handlerTimeoutMs }
    kit.logger.warn(facts, 'A handler takes longer than handlerTimeoutMs; its slot stays taken until it settles')
  }

  function timeoutOf(work: Work, cause?: unknown): HandlerTimeoutError {
    return new HandlerTimeoutError({
      code: 'POSTHORN_HANDLER_TIMEOUT',
      message: `The handler of ${work.contract.type} failed after its ${handlerTimeoutMs} ms`,
      cause,
    })
  }

  return {
    run(entry, items, onEnd) {
      const batch = items.length === 1 ? [toBatchItem(items[0]!)] : items.map(toBatchItem)
      const work = new Work(surroundings, entry.registration.contract, batch)
      let result: unknown
      try {
        result = entry.invoke.call(work)
        if (!isPromiseLike(result)) return onEnd(read(entry, result, items.length))
      } catch (error) {
        return onEnd({ ok: false, error, timeout: undefined, stopped: false })
      }
      work.startedAt = clock.monotonic()
      calls.add(work)
      if (timer === undefined) watch()
      if (stopReason !== undefined) work.abort(stopReason)
      // A foreign thenable may settle twice, throw, or resolve to another one; a promise does none of that.
      const promise = result instanceof Promise ? (result as Promise<unknown>) : Promise.resolve(result)
      promise.then(
        (value) => {
          calls.remove(work)
          onEnd(read(entry, value, items.length))
        },
        (error: unknown) => {
          calls.remove(work)
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
    get running() {
      return calls.size
    },
    get timedOut() {
      return timedOut
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
