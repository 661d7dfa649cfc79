import type { Clock, SendOptions } from '@posthorn/core/adapter'

/**
 * Between the last acks and the close of their channel: a quorum queue drops settlements that its channel still holds
 * back when that closes (rabbitmq-server#10327), and what was handled comes again. Without it 14 of 40 stops did so,
 * with 10 ms none.
 */
export const lingerMs = 50

/** Resolves after `delayMs`, whatever happens. */
export function rest(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}

/** Says whether `work` settled, either way, by the deadline; then nothing of the wait is left. Never rejects. */
export function settledBy(work: Promise<unknown>, deadline: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.schedule(deadline - clock.monotonic(), () => resolve(false))
    const settled = (): void => {
      timer.cancel()
      resolve(true)
    }
    work.then(settled, settled)
  })
}

/** What a wait rejects with when it is given up. */
export interface GivenUp {
  late(): Error
  aborted(signal: AbortSignal): Error
}

/** Settles as `work` does, or rejects at the deadline or when the signal fires; the work itself goes on. */
export function within<T>(work: Promise<T>, options: SendOptions, clock: Clock, givenUp: GivenUp): Promise<T> {
  const { deadline, signal } = options
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => finish(() => reject(givenUp.aborted(signal as AbortSignal)))
    // An infinite deadline is none: a timer for it would only wake up the process now and then.
    const timer =
      deadline === Infinity
        ? undefined
        : clock.schedule(deadline - clock.monotonic(), () => finish(() => reject(givenUp.late())))
    function finish(settle: () => void): void {
      timer?.cancel()
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    signal?.addEventListener('abort', onAbort)
    work.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    )
    if (signal?.aborted) onAbort()
  })
}

/** Resolves after `delayMs`, or at once when the signal fires; then no timer is left. */
export function pause(delayMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.schedule(delayMs, done)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
