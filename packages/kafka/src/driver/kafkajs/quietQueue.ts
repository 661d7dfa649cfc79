/*
 * kafkajs 2.2.4 checks the requests that wait for a connection with a timer that is armed again after each answer and by
 * itself, though nothing waits: every millisecond, for as long as the connection lives, and on Node.js 24 with a
 * TimeoutNegativeWarning (its issues 1556 and 1751). Here the timer is armed only while something waits.
 */

/** How long requests wait that are over the limit of a connection, as in kafkajs; answers let them go sooner. */
const checkIntervalMs = 10

/** Replaces the timer of one queue; false, and nothing is changed, when it looks different from what we know. */
export function quietQueue(candidate: unknown): boolean {
  if (!isQueue(candidate)) return false
  const queue = candidate
  queue.scheduleCheckPendingRequests = () => {
    if (queue.throttleCheckTimeoutId !== null || queue.pending.length === 0) return
    const throttledMs = queue.throttledUntil - Date.now()
    queue.throttleCheckTimeoutId = setTimeout(
      () => {
        queue.throttleCheckTimeoutId = null
        queue.checkPendingRequests()
      },
      throttledMs > 0 ? throttledMs : checkIntervalMs,
    )
  }
  return true
}

/** The queue of a connection of kafkajs, as far as it matters. */
interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  throttleCheckTimeoutId: unknown
  scheduleCheckPendingRequests: () => void
  checkPendingRequests(): void
}

function isQueue(value: unknown): value is RequestQueue {
  if (typeof value !== 'object' || value === null) return false
  const queue = value as Partial<RequestQueue>
  return (
    Array.isArray(queue.pending) &&
    typeof queue.throttledUntil === 'number' &&
    queue.throttleCheckTimeoutId === null &&
    typeof queue.scheduleCheckPendingRequests === 'function' &&
    typeof queue.checkPendingRequests === 'function'
  )
}
