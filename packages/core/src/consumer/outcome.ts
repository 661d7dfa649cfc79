/** Global, so that outcomes made by another installed copy of the package are recognised. */
const brand: unique symbol = Symbol.for('posthorn.outcome') as never

/** How a handler wants its message settled. Returning nothing is `complete()`; throwing asks the retry policy. */
export type Outcome =
  | { readonly [brand]: true; readonly kind: 'complete' }
  | { readonly [brand]: true; readonly kind: 'retryAfter'; readonly delayMs: number }
  | { readonly [brand]: true; readonly kind: 'deadLetter'; readonly reason: string; readonly error?: unknown }
  | { readonly [brand]: true; readonly kind: 'discard'; readonly reason: string }

const completed: Outcome = { [brand]: true, kind: 'complete' }

/** The message is done. */
export const complete = (): Outcome => completed

/**
 * Try again, not before `delayMs` milliseconds: wins over the ladder's delay, counts as one of its attempts, and is cut
 * to `retry.maxRetryAfterMs`.
 */
export const retryAfter = (delayMs: number): Outcome => ({ [brand]: true, kind: 'retryAfter', delayMs })

/** Put the message aside, with the reason for whoever looks at it; an error is described in the reason's place. */
export const deadLetter = (reason: string, error?: unknown): Outcome => ({
  [brand]: true,
  kind: 'deadLetter',
  reason,
  error,
})

/** Drop the message on purpose; counted, and logged with the reason. */
export const discard = (reason: string): Outcome => ({ [brand]: true, kind: 'discard', reason })

const kinds: ReadonlySet<unknown> = new Set(['complete', 'retryAfter', 'deadLetter', 'discard'])

/** Whether a value was made by one of the four functions above; a newer copy's unknown kind is none. */
export function isOutcome(value: unknown): value is Outcome {
  return typeof value === 'object' && value !== null && brand in value && kinds.has((value as Outcome).kind)
}
