import type { Clock, TimerHandle } from '@posthorn/core/adapter'
import type { KeyLane } from './heldEntries.js'

/** Keys that wait for their destination, on one timer for all. */
export class WaitingLanes {
  readonly #clock: Clock
  readonly #onDue: (lane: KeyLane) => void
  // Failures are rare: what a Set costs under churn does not matter here.
  readonly #lanes = new Set<KeyLane>()
  #timer: TimerHandle | undefined
  #timerAt = Infinity

  constructor(clock: Clock, onDue: (lane: KeyLane) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  get count(): number {
    return this.#lanes.size
  }

  add(lane: KeyLane, delayMs: number): void {
    lane.waitUntil = this.#clock.monotonic() + delayMs
    this.#lanes.add(lane)
    if (lane.waitUntil < this.#timerAt) this.#arm(lane.waitUntil)
  }

  remove(lane: KeyLane): void {
    lane.waitUntil = 0
    this.#lanes.delete(lane)
  }

  close(): void {
    this.#timer?.cancel()
    this.#lanes.clear()
  }

  #arm(at: number): void {
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#clock.schedule(Math.max(0, at - this.#clock.monotonic()), () => this.#sweep())
  }

  #sweep(): void {
    this.#timerAt = Infinity
    const now = this.#clock.monotonic()
    const due = [...this.#lanes].filter(({ waitUntil }) => waitUntil <= now)
    for (const lane of due) this.remove(lane)
    const next = Math.min(...[...this.#lanes].map(({ waitUntil }) => waitUntil))
    if (next < Infinity) this.#arm(next)
    for (const lane of due) this.#onDue(lane)
  }
}
