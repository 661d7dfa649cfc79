import type { Clock } from './clock.js'

/** Resolves after `delayMs`, or as soon as the signal fires; never rejects. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.schedule(delayMs, end)
    function end(): void {
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    signal.addEventListener('abort', end, { once: true })
  })
}
