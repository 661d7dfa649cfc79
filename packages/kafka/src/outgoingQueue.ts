import type { Outgoing } from './outgoing.js'

/** So many are let pass before what was given up is searched for. */
const firstSweep = 1_024

/** Messages that wait for their partition, in order; those that were given up meanwhile are left out. */
export class OutgoingQueue {
  #items: Outgoing[] = []
  /** Where the oldest one is: an array that is shifted is copied each time. */
  #head = 0
  #sweepAt = firstSweep

  get isIdle(): boolean {
    for (let at = this.#head; at < this.#items.length; at += 1) if (!this.#items[at]!.settled) return false
    return true
  }

  push(outgoing: Outgoing): void {
    this.#items.push(outgoing)
    if (this.#items.length - this.#head < this.#sweepAt) return
    // What was given up while the broker is away is let go, without a search for each.
    const left = this.drain()
    this.#items = left
    this.#sweepAt = Math.max(firstSweep, left.length * 2)
  }

  /** The next messages: at least one if there is one, and no more than fit. */
  take(maxCount: number, maxBytes: number): Outgoing[] {
    const batch: Outgoing[] = []
    let bytes = 0
    let at = this.#head
    for (; at < this.#items.length && batch.length < maxCount; at += 1) {
      const outgoing = this.#items[at]!
      if (outgoing.settled) continue
      if (batch.length > 0 && bytes + outgoing.bytes > maxBytes) break
      bytes += outgoing.bytes
      batch.push(outgoing)
    }
    this.#head = at
    if (at === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (at >= firstSweep) {
      this.#items = this.#items.slice(at)
      this.#head = 0
    }
    return batch
  }

  /** Takes everything that still wants to be sent. */
  drain(): Outgoing[] {
    const left = this.#items.slice(this.#head).filter(({ settled }) => !settled)
    this.#items = []
    this.#head = 0
    return left
  }
}
