import type { Clock, TimerHandle } from './clock.js'

/** A deadline that is watched until `clear()`. */
export interface Deadline {
  clear(): void
}

/** Watches many deadlines with one timer, since a timer per message costs more than the message. */
export interface Deadlines {
  /** Calls `onDue` once when `clock.monotonic()` reaches `at`, unless cleared before. */
  watch(at: number, onDue: () => void): Deadline
}

/** Deadlines are mostly added in order and cleared long before they are due: adding and clearing are O(1). */
export function createDeadlines(clock: Clock): Deadlines {
  const watched = new Set<{ at: number; onDue: () => void }>()
  let timer: TimerHandle | undefined
  let timerAt = Infinity

  function arm(at: number): void {
    timer?.cancel()
    timerAt = at
    timer = clock.schedule(Math.max(0, Math.ceil(at - clock.monotonic())), sweep, { background: true })
  }

  function sweep(): void {
    timer = undefined
    timerAt = Infinity
    const now = clock.monotonic()
    let next = Infinity
    const due: (() => void)[] = []
    for (const entry of watched) {
      if (entry.at <= now) {
        watched.delete(entry)
        due.push(entry.onDue)
      } else if (entry.at < next) next = entry.at
    }
    if (next < Infinity) arm(next)
    for (const onDue of due) onDue()
  }

  return {
    watch(at, onDue) {
      const entry = { at, onDue }
      watched.add(entry)
      if (at < timerAt) arm(at)
      return {
        // The timer stays armed: it is in the background, and the next message would only arm it again.
        clear: () => void watched.delete(entry),
      }
    },
  }
}
