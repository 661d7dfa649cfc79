import { codeOf, fullJitter } from '@posthorn/core/adapter'

const backoff = { firstMs: 100, maxMs: 1_000 }

/**
 * Settles as the work does; while the database is away and no handler was called, the work is tried again until the signal
 * fires. A message is not to blame for an outage: its attempts would be used up within seconds, and it dead-lettered.
 */
export async function outlastOutage<Result>(
  work: () => Promise<Result>,
  { wasCalled, signal }: { readonly wasCalled: () => boolean; readonly signal: () => AbortSignal },
): Promise<Result> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await work()
    } catch (error) {
      if (wasCalled() || codeOf(error) !== 'POSTHORN_OUTBOX_UNAVAILABLE' || signal().aborted) throw error
      await wait(1 + fullJitter(failures, backoff), signal())
    }
  }
}

function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, delayMs)
    function end(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    signal.addEventListener('abort', end, { once: true })
  })
}
