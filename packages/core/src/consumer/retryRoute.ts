import type { Clock } from '../clock.js'
import type { ResolvedConsumerOptions } from './consumerOptions.js'
import type { DeadLetterReason } from './copyHeaders.js'
import { expiryMs } from './expiry.js'
import type { InFlight, Which } from './inFlight.js'
import type { ReasonCounts } from './reasonCounts.js'
import type { Settlement } from './settlement.js'

/** One failed call, for one item. */
export interface Failure {
  /** What was thrown. */
  readonly error: unknown
  /** What copies say of it, when that is another error. */
  readonly record: unknown
  /** What a `retryAfter` outcome asked for. */
  readonly hintMs: number | undefined
  /** To be called later when `failed` said that the slot stays taken; undefined when it cannot stay. */
  readonly freeSlot: (() => void) | undefined
}

export interface RetryRoute {
  /** Sends a failed message on its way: again, held, into a rung, or into the dead letters. True: the slot stays taken. */
  failed(item: InFlight, failure: Failure): boolean
  /** A message whose time has not come. */
  wait(item: InFlight, until: { readonly remainingMs: number; readonly notBeforeMs: number }): void
  /** Takes out what waits in the process, or what is wanted of it. */
  drain(isWanted?: Which): InFlight[]
  readonly held: number
}

export interface RetryRouteOptions {
  readonly clock: Clock
  /** Of retries, by their reason. */
  readonly counts: ReasonCounts['retries']
  readonly options: ResolvedConsumerOptions
  readonly settlement: Settlement
  /** The item's next attempt may start; its lane is still its own. */
  readonly again: (item: InFlight) => void
  /** The consumer stops: nothing new may wait in the process. */
  readonly isDraining: () => boolean
  /** The item's time has come: judge it anew. */
  readonly readmit: (item: InFlight) => void
  /** An attempt has failed, and another one is to come. */
  readonly onRetry: (item: InFlight, failed: { readonly error: unknown; readonly delayMs: number }) => void
}

/** A rest so short is waited out in the process: a rung would add more than it saves. */
const maxRestMs = 1_000

export function createRetryRoute(routeOptions: RetryRouteOptions): RetryRoute {
  const { clock, counts, options, settlement, again, readmit, isDraining, onRetry } = routeOptions
  const { retry, order } = options
  const holds = order?.onRetry === 'holdKey'
  /** Each with what frees its slot, where it keeps one. */
  const held = new Map<InFlight, (() => void) | undefined>()

  function hold(item: InFlight, delayMs: number, then: () => void): void {
    held.set(item, undefined)
    item.timer = clock.schedule(delayMs, () => {
      held.delete(item)
      item.timer = undefined
      then()
    })
  }

  /** Beyond the bound a held message keeps its slot: intake slows down, memory does not grow. */
  function holdKey(item: InFlight, delayMs: number, freeSlot: (() => void) | undefined): boolean {
    const kept = held.size >= (order?.maxHeldKeys ?? Infinity) ? freeSlot : undefined
    hold(item, delayMs, () => {
      kept?.()
      again(item)
    })
    held.set(item, kept)
    return kept !== undefined
  }

  function deadLetter(item: InFlight, error: unknown, reason: DeadLetterReason): false {
    settlement.settle(item, { kind: 'deadLetter', reason, error, attempts: item.attempt })
    return false
  }

  return {
    failed(item, { error, record, hintMs, freeSlot }) {
      item.firstFailedAt ??= new Date(clock.now()).toISOString()
      const verdict = retry.judge({ error, attempt: item.attempt, hintMs })
      if (verdict.kind === 'deadLetter') return deadLetter(item, record ?? error, verdict.reason)
      const { delayMs, hinted } = verdict
      if (expiryMs(item.envelope) <= clock.now() + delayMs) return deadLetter(item, record ?? error, 'expired')
      const rungMs = hinted ? retry.rungFor(delayMs) : delayMs
      const reason = record !== undefined ? 'timeout' : hinted ? 'retryAfter' : 'error'
      if (delayMs > 0 && !holds && rungMs !== undefined) {
        counts[reason] += 1
        onRetry(item, { error: record ?? error, delayMs })
        const notBeforeMs = rungMs < delayMs ? clock.now() + delayMs : undefined
        settlement.settle(item, { kind: 'retry', rungMs, notBeforeMs, error: record ?? error })
        return false
      }
      // What waits in the process does not survive it: a consumer that stops gives it back at once.
      if (isDraining()) {
        settlement.settle(item, { kind: 'release' })
        return false
      }
      counts[reason] += 1
      onRetry(item, { error: record ?? error, delayMs })
      item.attempt += 1
      if (delayMs > 0) return holdKey(item, delayMs, freeSlot)
      again(item)
      return false
    },
    wait(item, { remainingMs }) {
      const rungMs = retry.rungFor(remainingMs)
      if (rungMs === undefined || (remainingMs < rungMs && remainingMs <= maxRestMs)) {
        return hold(item, remainingMs, () => readmit(item))
      }
      settlement.settle(item, { kind: 'forward', rungMs })
    },
    drain(isWanted = () => true) {
      const taken = [...held].filter(([item]) => isWanted(item))
      for (const [item] of taken) {
        item.timer?.cancel()
        held.delete(item)
      }
      for (const [, freeSlot] of taken) freeSlot?.()
      return taken.map(([item]) => item)
    },
    get held() {
      return held.size
    },
  }
}
