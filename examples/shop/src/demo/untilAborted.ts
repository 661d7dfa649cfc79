/** Waits for the work or for the signal, whichever comes first; rejects only where the work does. */
export function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(() => resolve(), reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
