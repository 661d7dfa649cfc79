import type { Clock, TimerHandle } from './clock.js'
import { createSlotted } from './slotted.js'
import type { Slotted } from './slotted.js'

/** A deadline that is watched until `clear()`. */
export interface Deadline {
  clear(): void
}

/** Watches many deadlines with one timer, since a timer per message costs more than the message. */
export interface Deadlines {
  /** Calls `onDue` once when `clock.monotonic()` reaches `at`, unless cleared before. */
  watch(at: number, onDue: () => void): Deadline
}

/** Deadlines are mostly cleared long before they are due: adding and clearing are O(1), looking for what is due is not. */
export function createDeadlines(clock: Clock): Deadlines {
  const watched = createSlotted<Watched>()
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
    const due: Watched[] = []
    for (const entry of watched.snapshot()) {
      if (entry.at <= now) {
        watched.remove(entry)
        due.push(entry)
      } else if (entry.at < next) next = entry.at
    }
    if (next < Infinity) arm(next)
    due.sort((a, b) => a.at - b.at)
    for (const { onDue } of due) onDue()
  }

  return {
    watch(at, onDue) {
      const entry = new Watched(watched, at, onDue)
      watched.add(entry)
      if (at < timerAt) arm(at)
      return entry
    },
  }
}

/** A class, so that a deadline costs one object. The timer stays armed when it is cleared: the next one would arm it again. */
class Watched implements Deadline {
  readonly #all: Slotted<Watched>
  readonly at: number
  readonly onDue: () => void
  slot = -1

  constructor(all: Slotted<Watched>, at: number, onDue: () => void) {
    this.#all = all
    this.at = at
    this.onDue = onDue
  }

  clear(): void {
    this.#all.remove(this)
  }
}
