import type { Clock } from '@posthorn/core'
import type { VirtualClock } from '@posthorn/memory'

/** A virtual clock that knows when the next piece of work is due. */
export interface TrackedClock {
  /** For services and brokers. */
  readonly clock: Clock
  /** When the next timer that stands for work fires, on `monotonic()`; undefined when there is none. */
  readonly nextDue: () => number | undefined
}

/**
 * Tracks the timers that stand for work (a retry, a batch that collects), not those that only watch (deadlines). What it
 * does not change it inherits, so that a broker still recognises the virtual clock behind it.
 */
export function trackForeground(inner: VirtualClock): TrackedClock {
  const due = new Set<{ readonly at: number }>()
  const schedule: Clock['schedule'] = (delayMs, action, options) => {
    if (options?.background === true) return inner.schedule(delayMs, action, options)
    const entry = { at: inner.monotonic() + Math.max(delayMs, 0) }
    due.add(entry)
    const timer = inner.schedule(delayMs, () => {
      due.delete(entry)
      action()
    })
    return {
      cancel() {
        due.delete(entry)
        timer.cancel()
      },
    }
  }
  return {
    clock: Object.assign(Object.create(inner) as Clock, { schedule }),
    nextDue() {
      let next: number | undefined
      for (const { at } of due) if (next === undefined || at < next) next = at
      return next
    },
  }
}
