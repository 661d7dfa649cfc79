/** When a message of a retry topic is due. */
export interface RungPause {
  /** On `clock.now()`, for a record that was fetched at `fetchedAtMs`. */
  dueAtMs(timestampMs: number, fetchedAtMs: number): number
}

/**
 * A record is due its delay after it was written, by the clock of whoever wrote it. A clock ahead of ours cannot hold it
 * for longer than its delay after we saw it first; one that is behind can make it early, which the core's own
 * `not-before` corrects.
 */
export function createRungPause(delayMs: number): RungPause {
  return {
    dueAtMs: (timestampMs, fetchedAtMs) =>
      // A topic without timestamps has -1: only our own clock tells then.
      (timestampMs < 0 ? fetchedAtMs : Math.min(timestampMs, fetchedAtMs)) + delayMs,
  }
}
