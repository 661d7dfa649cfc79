import type { Deadlines } from '../deadlines.js'
import { PublishError } from '../errors.js'

/** Bounds what one publisher has unconfirmed, by count and bytes; waiters are served in order. */
export interface Window {
  /** Takes a place at once and says true, or says false when there is none or somebody waits already. */
  tryEnter(bytes: number): boolean
  /**
   * Queues for a place. `admit` is called at once when it is taken, not in a later job: a publish that comes in between
   * would overtake. `refuse` gets a `PublishError` (`notSent`) at the deadline or when `signal` fires.
   */
  enter(request: WindowRequest): void
  leave(bytes: number): void
  readonly count: number
  readonly bytes: number
  readonly waiting: number
}

/** Somebody who wants a place in the window. */
export interface WindowRequest {
  readonly bytes: number
  /** On the monotonic clock. */
  readonly deadline: number
  readonly signal?: AbortSignal
  readonly admit: () => void
  readonly refuse: (error: PublishError) => void
}

/** A message larger than `maxBytes` enters alone, so that a small window delays it instead of refusing it. */
export function createWindow(maxCount: number, maxBytes: number, deadlines: Deadlines): Window {
  const waiters = new Set<Pick<WindowRequest, 'bytes' | 'admit'>>()
  let count = 0
  let bytes = 0

  const fits = (size: number): boolean => count === 0 || (count < maxCount && bytes + size <= maxBytes)

  function take(size: number): void {
    count += 1
    bytes += size
  }

  function admitWaiters(): void {
    for (const waiter of waiters) {
      if (!fits(waiter.bytes)) return
      waiters.delete(waiter)
      take(waiter.bytes)
      waiter.admit()
    }
  }

  return {
    tryEnter(size) {
      if (waiters.size > 0 || !fits(size)) return false
      take(size)
      return true
    },
    enter(request) {
      const { signal } = request
      if (signal?.aborted) return request.refuse(aborted(signal))
      const waiter = {
        bytes: request.bytes,
        admit: () => {
          end()
          request.admit()
        },
      }
      const refuse = (error: PublishError): void => {
        end()
        request.refuse(error)
        admitWaiters() // A large one that gave up may have kept small ones waiting.
      }
      const onAbort = (): void => refuse(aborted(signal))
      const watched = deadlines.watch(request.deadline, () => refuse(late()))
      const end = (): void => {
        waiters.delete(waiter)
        watched.clear()
        signal?.removeEventListener('abort', onAbort)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      waiters.add(waiter)
      admitWaiters()
    },
    leave(size) {
      count -= 1
      bytes -= size
      if (waiters.size > 0) admitWaiters()
    },
    get count() {
      return count
    },
    get bytes() {
      return bytes
    },
    get waiting() {
      return waiters.size
    },
  }
}

function late(): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_DEADLINE',
    outcome: 'notSent',
    message: 'The window of unconfirmed messages stayed full until the deadline; the broker is slow or blocked',
  })
}

function aborted(signal: AbortSignal | undefined): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_ABORTED',
    outcome: 'notSent',
    message: 'The publish was aborted before it was sent',
    cause: signal?.reason,
  })
}
