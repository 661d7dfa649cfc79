/** Calls `onStall` once when there was work but no progress for so long. */
export function watchProgress(options: {
  /** Grows with everything that happens. */
  readonly progress: () => number
  /** Whether anything is awaited; a quiet input is no stall. */
  readonly hasWork: () => boolean
  readonly stallMs: number
  readonly onStall: () => void
}): { stop(): void } {
  const { progress, hasWork, stallMs, onStall } = options
  let last = -1
  let since = performance.now()
  const timer = setInterval(
    () => {
      const now = progress()
      if (now !== last || !hasWork()) {
        last = now
        since = performance.now()
      } else if (performance.now() - since >= stallMs) {
        clearInterval(timer)
        onStall()
      }
    },
    Math.min(1_000, stallMs / 4),
  )
  return { stop: () => clearInterval(timer) }
}
