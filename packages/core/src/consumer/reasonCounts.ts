import type { DeadLetterReason } from './copyHeaders.js'

/** Why an attempt is repeated: its handler threw, threw after its time, or asked for it. */
export type RetryReason = 'error' | 'timeout' | 'retryAfter'

/** Why a message was completed unhandled. */
export type SkipReason = 'unhandledType' | 'foreign'

/** Why messages did not end as handled, since the start; plain numbers, raised where it is decided. */
export interface ReasonCounts {
  readonly retries: Record<RetryReason, number>
  readonly deadLetters: Record<DeadLetterReason, number>
  readonly skipped: Record<SkipReason, number>
}

/** All zero: a series that exists from the start shows its first increase. */
export function noReasons(): ReasonCounts {
  return {
    retries: { error: 0, timeout: 0, retryAfter: 0 },
    deadLetters: {
      undecodable: 0,
      foreign: 0,
      invalid: 0,
      unhandledType: 0,
      nonRetryable: 0,
      retriesExhausted: 0,
      expired: 0,
      crashLoop: 0,
      rejected: 0,
    },
    skipped: { unhandledType: 0, foreign: 0 },
  }
}
