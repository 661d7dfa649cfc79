import type { Clock } from './clock.js'

/** Resolves after `delayMs`, or as soon as one of the signals fires; never rejects. */
export function pause(clock: Clock, delayMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some(({ aborted }) => aborted)) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.schedule(delayMs, end)
    function end(): void {
      timer.cancel()
      for (const signal of signals) signal.removeEventListener('abort', end)
      resolve()
    }
    for (const signal of signals) signal.addEventListener('abort', end, { once: true })
  })
}
