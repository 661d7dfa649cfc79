import type { Clock, TimerHandle } from '@posthorn/core/adapter'
import type { KeyLane } from './heldEntries.js'

/** Between two looks for what is due: thousands of keys would each have a timer fire. */
const sweepMs = 50

/** Keys that wait for their destination, on one timer for all. */
export class WaitingLanes {
  readonly #clock: Clock
  readonly #onDue: (lanes: readonly KeyLane[]) => void
  // Failures are rare: what a Set costs under churn does not matter here.
  readonly #lanes = new Map<string, Set<KeyLane>>()
  #count = 0
  #timer: TimerHandle | undefined
  #timerAt = Infinity
  #sweptAt = -Infinity

  constructor(clock: Clock, onDue: (lanes: readonly KeyLane[]) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  get count(): number {
    return this.#count
  }

  add(lane: KeyLane, destination: string, delayMs: number): void {
    this.remove(lane)
    lane.waitUntil = this.#clock.monotonic() + delayMs
    lane.waitsFor = destination
    const lanes = this.#lanes.get(destination)
    if (lanes === undefined) this.#lanes.set(destination, new Set([lane]))
    else lanes.add(lane)
    this.#count += 1
    if (lane.waitUntil < this.#timerAt) this.#arm(lane.waitUntil)
  }

  remove(lane: KeyLane): void {
    lane.waitUntil = 0
    const lanes = this.#lanes.get(lane.waitsFor)
    if (lanes?.delete(lane) !== true) return
    this.#count -= 1
    if (lanes.size === 0) this.#lanes.delete(lane.waitsFor)
  }

  /** The destination takes messages: so many of its keys need not wait any longer. */
  wake(destination: string, most: number): void {
    const lanes = this.#lanes.get(destination)
    if (lanes === undefined) return
    const woken: KeyLane[] = []
    for (const lane of lanes) {
      if (woken.length >= most) break
      woken.push(lane)
    }
    this.#end(woken)
  }

  close(): void {
    this.#timer?.cancel()
    this.#lanes.clear()
    this.#count = 0
  }

  #arm(at: number): void {
    this.#timer?.cancel()
    this.#timerAt = Math.max(at, this.#sweptAt + sweepMs)
    this.#timer = this.#clock.schedule(Math.max(0, this.#timerAt - this.#clock.monotonic()), () => this.#sweep())
  }

  #sweep(): void {
    this.#timerAt = Infinity
    const now = (this.#sweptAt = this.#clock.monotonic())
    const due: KeyLane[] = []
    let next = Infinity
    for (const lanes of this.#lanes.values()) {
      for (const lane of lanes) {
        if (lane.waitUntil <= now) due.push(lane)
        else next = Math.min(next, lane.waitUntil)
      }
    }
    if (next < Infinity) this.#arm(next)
    this.#end(due)
  }

  #end(lanes: readonly KeyLane[]): void {
    for (const lane of lanes) this.remove(lane)
    if (lanes.length > 0) this.#onDue(lanes)
  }
}
