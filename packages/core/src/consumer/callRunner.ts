import type { TimerHandle } from '../clock.js'
import { HandlerTimeoutError } from '../errors.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import type { HandlerEntry } from './handlerTable.js'
import type { InFlight } from './inFlight.js'
import type { Outcome } from './outcome.js'
import { Work } from './workContext.js'
import type { WorkSurroundings } from './workContext.js'

/** What came of one call. */
export type CallResult =
  | { readonly ok: true; readonly outcomes: readonly Outcome[] }
  | { readonly ok: false; readonly error: unknown; readonly stopped: boolean }

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

interface Running {
  readonly work: Work
  readonly startedAt: number
  late: boolean
}

/**
 * Runs handlers. A call that takes too long has its signal fired and keeps its slot until it settles: a message is
 * never settled while its handler still works on it. One timer watches all calls, since the oldest is due first.
 */
export function createCallRunner({ kit, surroundings, handlerTimeoutMs }: CallRunnerOptions): CallRunner {
  const { clock } = kit
  const calls = new Set<Running>()
  let timer: TimerHandle | undefined
  let timedOut = 0
  let stopReason: unknown

  function watch(): void {
    const oldest = firstInTime()
    if (timer !== undefined || oldest === undefined) return
    const waitMs = Math.max(1, oldest.startedAt + handlerTimeoutMs - clock.monotonic())
    timer = clock.schedule(waitMs, sweep, { background: true })
  }

  function firstInTime(): Running | undefined {
    for (const call of calls) if (!call.late) return call
    return undefined
  }

  function sweep(): void {
    timer = undefined
    const due = clock.monotonic() - handlerTimeoutMs
    for (const call of calls) {
      if (call.late) continue
      if (call.startedAt > due) break
      call.late = true
      timedOut += 1
      call.work.abort(timeoutOf(call.work))
      const facts = { event: 'handler.timeout', type: call.work.contract.type, handlerTimeoutMs }
      kit.logger.warn(facts, 'A handler takes longer than handlerTimeoutMs; its slot stays taken until it settles')
    }
    watch()
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
      const batch = items.map((item) => ({
        data: item.envelope!.data ?? item.envelope!.data_base64,
        envelope: item.envelope!,
        attempt: item.attempt,
        headers: item.delivery.headers,
      }))
      const work = new Work(surroundings, entry.registration.contract, batch)
      let outcomes
      try {
        outcomes = entry.invoke(work)
      } catch (error) {
        return onEnd({ ok: false, error, stopped: false })
      }
      if (!(outcomes instanceof Promise)) return onEnd({ ok: true, outcomes: outcomes as readonly Outcome[] })
      const call: Running = { work, startedAt: clock.monotonic(), late: false }
      calls.add(call)
      if (timer === undefined) watch()
      if (stopReason !== undefined) work.abort(stopReason)
      outcomes.then(
        (settled) => {
          calls.delete(call)
          onEnd({ ok: true, outcomes: settled })
        },
        (error: unknown) => {
          calls.delete(call)
          onEnd({ ok: false, error: call.late ? timeoutOf(work, error) : error, stopped: stopReason !== undefined })
        },
      )
    },
    abortAll(reason) {
      stopReason = reason
      timer?.cancel()
      timer = undefined
      for (const call of calls) call.work.abort(reason)
    },
    get running() {
      return calls.size
    },
    get timedOut() {
      return timedOut
    },
  }
}
