/** A pending timer of a `Clock`. */
export interface TimerHandle {
  cancel(): void
}

/** Time, injected so that tests can hold it. */
export interface Clock {
  /** Wall clock in epoch milliseconds: for what is written on messages. */
  now(): number
  /** Milliseconds that never jump: for every deadline and duration. */
  monotonic(): number
  /** Runs `action` once after `delayMs`; does not keep the process alive when `background`. */
  schedule(delayMs: number, action: () => void, options?: { readonly background?: boolean }): TimerHandle
}

/** Longest delay that Node.js timers take; longer ones would fire at once. */
const maxTimerMs = 2_147_483_647

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, action, options) {
    const timer = setTimeout(action, Math.min(Math.max(delayMs, 0), maxTimerMs))
    if (options?.background) timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
