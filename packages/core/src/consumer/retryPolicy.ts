import { codeOf } from '../errors.js'
import { errorCodes } from '../errorCodes.js'
import type { DeadLetterReason } from './copyHeaders.js'
import { read } from './describeError.js'
import type { Outcome } from './outcome.js'

/** How failures are repeated. */
export interface RetryOptions {
  /**
   * The ladder: one delay per retry, in milliseconds, none shorter than the one before; 0 retries at once, in process.
   * Attempts are one more than delays. Each distinct delay is a queue or topic. @default [0, 1_000, 5_000, 30_000]
   */
  readonly delaysMs?: readonly number[]
  /**
   * The longest `retryAfter` that is honoured; longer ones are cut to it. Setting it adds a rung of so long, and those of
   * 1 m, 10 m, 1 h and 6 h below it. @default the ladder's largest delay
   */
  readonly maxRetryAfterMs?: number
  /** Says that an error of your own cannot be helped by a retry. @default only `NonRetryableError` and invalid messages */
  readonly isNonRetryable?: (error: unknown) => boolean
}

/** What the policy makes of a failure. */
export type Verdict =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly hinted: boolean }
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason }

/** A ladder with everything that follows from it. */
export interface RetryPolicy {
  /** The delays above zero that need a queue or topic, ascending. */
  readonly rungsMs: readonly number[]
  readonly maxAttempts: number
  /** `attempt` is the invocation that failed. */
  judge(failure: { readonly error: unknown; readonly attempt: number; readonly hintMs: number | undefined }): Verdict
  /** The rung for a message that must wait `remainingMs`: the largest that fits, else the smallest: late, never early. */
  rungFor(remainingMs: number): number | undefined
}

/** The ladder of whoever names none. */
export const defaultDelaysMs: readonly number[] = [0, 1_000, 5_000, 30_000]
const hintRungsMs = [60_000, 600_000, 3_600_000, 21_600_000]

/** Classes whose errors say that the message, the code or the options are wrong: the next attempt would fail the same. */
const hopelessClasses = new Set([
  'ConfigurationError',
  'EnvelopeValidationError',
  'NonRetryableError',
  'SerializationError',
])

export function createRetryPolicy(options: RetryOptions): RetryPolicy {
  const delaysMs = options.delaysMs ?? defaultDelaysMs
  const largest = delaysMs.at(-1) ?? 0
  const maxRetryAfterMs = options.maxRetryAfterMs ?? largest
  // The longest hint is the most frequent one, since longer ones are cut to it: it goes in one step.
  const hintRungs = [...hintRungsMs.filter((rung) => rung < maxRetryAfterMs), maxRetryAfterMs]
  const added = options.maxRetryAfterMs === undefined ? [] : hintRungs
  const delays = [...new Set([...delaysMs, ...added])].filter((delay) => delay > 0).sort((a, b) => a - b)
  // A ladder without a delay still needs a rung for hints: late, never early.
  const rungsMs = delays.length === 0 && maxRetryAfterMs > 0 ? [maxRetryAfterMs] : delays
  const maxAttempts = delaysMs.length + 1

  return {
    rungsMs,
    maxAttempts,
    judge({ error, attempt, hintMs }) {
      if (isHopeless(error) || asks(options.isNonRetryable, error))
        return { kind: 'deadLetter', reason: 'nonRetryable' }
      if (attempt >= maxAttempts) return { kind: 'deadLetter', reason: 'retriesExhausted' }
      const hint = hintMs ?? hintOf(error)
      if (hint === undefined) return { kind: 'retry', delayMs: delaysMs[attempt - 1] ?? largest, hinted: false }
      return { kind: 'retry', delayMs: Math.min(hint, maxRetryAfterMs), hinted: true }
    },
    rungFor: (remainingMs) => rungsMs.findLast((rung) => rung <= remainingMs) ?? rungsMs[0],
  }
}

/** The delay of a `retryAfter` outcome. */
export function hintOfOutcome(outcome: Outcome): number | undefined {
  return outcome.kind === 'retryAfter' ? validHint(outcome.delayMs) : undefined
}

/** Many HTTP clients' errors carry how long to wait; so may a user's own. */
function hintOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null ? validHint(read(error, 'retryAfterMs')) : undefined
}

function validHint(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

function isHopeless(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && hopelessClasses.has(errorCodes[code].class)
}

/** A classifier that throws must not decide over a message. */
function asks(isNonRetryable: RetryOptions['isNonRetryable'], error: unknown): boolean {
  try {
    return isNonRetryable?.(error) === true
  } catch {
    return false
  }
}
