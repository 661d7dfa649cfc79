import type { Clock, TimerHandle } from '@posthorn/core'

interface Timer {
  readonly at: number
  readonly order: number
  action: (() => void) | undefined
}

/** A clock that a simulation runs: from timer to timer, with all promises settled in between. */
export class SimClock implements Clock {
  readonly #heap: Timer[] = []
  #time = 0
  #order = 0

  now(): number {
    return 1_800_000_000_000 + this.#time
  }

  monotonic(): number {
    return this.#time
  }

  schedule(delayMs: number, action: () => void): TimerHandle {
    const timer: Timer = { at: this.#time + Math.max(0, delayMs), order: (this.#order += 1), action }
    this.#push(timer)
    return { cancel: () => (timer.action = undefined) }
  }

  after(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.schedule(delayMs, resolve))
  }

  /** Runs until the time has come, or `isDone` says so. */
  async runUntil(time: number, isDone: () => boolean = () => false): Promise<void> {
    await settle()
    for (let next = this.#heap[0]; next !== undefined && next.at <= time && !isDone(); next = this.#heap[0]) {
      this.#time = Math.max(this.#time, next.at)
      let fired = 0
      while (this.#heap[0] !== undefined && this.#heap[0].at <= this.#time) {
        const { action } = this.#pop()
        if (action === undefined) continue
        action()
        fired += 1
      }
      if (fired > 0) await settle()
    }
    if (!isDone()) this.#time = Math.max(this.#time, time)
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let place = heap.push(timer) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(timer, heap[parent] as Timer)) break
      heap[place] = heap[parent] as Timer
      place = parent
    }
    heap[place] = timer
  }

  #pop(): Timer {
    const heap = this.#heap
    const first = heap[0] as Timer
    const last = heap.pop() as Timer
    if (heap.length === 0) return first
    let place = 0
    for (;;) {
      let child = place * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child += 1
      if (!isBefore(heap[child] as Timer, last)) break
      heap[place] = heap[child] as Timer
      place = child
    }
    heap[place] = last
    return first
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Every promise that can settle has. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
