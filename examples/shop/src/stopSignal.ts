/** Fires at the first Ctrl-C or SIGTERM, for a clean stop; the second ends the process at once. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(exitCodeOf(name))
    stop.abort(name)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return stop.signal
}

/** What a shell expects of a process that a signal ended. */
export function exitCodeOf(name: unknown): number {
  return name === 'SIGTERM' ? 143 : 130
}
