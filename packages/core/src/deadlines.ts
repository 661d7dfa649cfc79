import type { Clock, TimerHandle } from './clock.js'
import { createSlotted } from './slotted.js'
import type { HasSlot } from './slotted.js'

/** A deadline that is watched until `clear()`. */
export interface Deadline {
  clear(): void
}

/** Something with a deadline, watched from `add` to `remove`. */
export interface DeadlineEntry extends HasSlot {
  /** On `clock.monotonic()`. */
  readonly at: number
  /** Called once, when the time has come; the entry is not watched any more. */
  onDue(): void
}

/** Watches many deadlines with one timer, since a timer per message costs more than the message. */
export interface Deadlines {
  /** Calls `onDue` once when `clock.monotonic()` reaches `at`, unless cleared before. */
  watch(at: number, onDue: () => void): Deadline
  /** As `watch`, for an object that is its own entry: it costs nothing then. */
  add(entry: DeadlineEntry): void
  remove(entry: DeadlineEntry): void
}

/** Deadlines are mostly cleared long before they are due: adding and clearing are O(1), looking for what is due is not. */
export function createDeadlines(clock: Clock): Deadlines {
  const watched = createSlotted<DeadlineEntry>()
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
    const due: DeadlineEntry[] = []
    for (const entry of watched.snapshot()) {
      if (entry.at <= now) {
        watched.remove(entry)
        due.push(entry)
      } else if (entry.at < next) next = entry.at
    }
    if (next < Infinity) arm(next)
    due.sort((a, b) => a.at - b.at)
    for (const entry of due) entry.onDue()
  }

  function add(entry: DeadlineEntry): void {
    watched.add(entry)
    if (entry.at < timerAt) arm(entry.at)
  }

  return {
    watch(at, onDue) {
      const entry = { at, onDue, slot: -1 }
      add(entry)
      // The timer stays armed: the next deadline would only arm it again.
      return { clear: () => void watched.remove(entry) }
    },
    add,
    remove: (entry) => void watched.remove(entry),
  }
}
