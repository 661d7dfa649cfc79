import type { BackoffOptions, Clock } from '@posthorn/core/adapter'
import { fullJitter } from '@posthorn/core/adapter'

/** Until when to wait, and what ends the wait before. */
export interface Wait {
  readonly clock: Clock
  /** On `clock.monotonic()`. */
  readonly deadline: number
  readonly signal?: AbortSignal | undefined
}

/** What `work` gives, or undefined when the deadline or the signal came first; `work` itself goes on then. */
export async function byDeadline<T>(work: Promise<T>, { clock, deadline, signal }: Wait): Promise<T | undefined> {
  let stop: (() => void) | undefined
  const late = new Promise<undefined>((resolve) => {
    const timer = clock.schedule(Math.max(0, deadline - clock.monotonic()), () => resolve(undefined))
    const onAbort = (): void => resolve(undefined)
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    stop = () => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  })
  try {
    return await Promise.race([work, late])
  } finally {
    stop?.()
  }
}

/** Waits, or less when the deadline or the signal comes first. */
export async function pauseFor(delayMs: number, wait: Wait): Promise<void> {
  const deadline = Math.min(wait.deadline, wait.clock.monotonic() + delayMs)
  await byDeadline(new Promise<never>(() => {}), { ...wait, deadline })
}

export function isOver({ clock, deadline, signal }: Wait): boolean {
  return signal?.aborted === true || clock.monotonic() >= deadline
}

export interface Repeating extends Wait {
  readonly backoff: BackoffOptions
  /** Whether trying again can help. */
  readonly isPassing: (error: unknown) => boolean
}

/** The outcome of work that was repeated: its value, the error that ended it, or the last one before time was over. */
export type Repeated<T> = { readonly value: T } | { readonly error: unknown; readonly late: boolean }

/** Repeats `attempt` with full jitter until it succeeds, fails for good, or time is over. */
export async function repeat<T>(attempt: () => Promise<T>, options: Repeating): Promise<Repeated<T>> {
  let last: unknown
  for (let failures = 1; !isOver(options); failures += 1) {
    try {
      const outcome = await byDeadline(
        attempt().then((value) => ({ value })),
        options,
      )
      if (outcome !== undefined) return outcome
    } catch (error) {
      last = error
      if (!options.isPassing(error)) return { error, late: false }
      await pauseFor(fullJitter(failures, options.backoff), options)
    }
  }
  return { error: last, late: true }
}
