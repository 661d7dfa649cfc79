import type { StoredMessage } from './storedMessage.js'

/**
 * What is ready in one lane, in order. New messages go to a ring; what is given back goes to a list of its own, sorted by
 * position, since each of those stood before every message that is still in the ring.
 */
export class Backlog {
  #ring: (StoredMessage | undefined)[] = Array.from({ length: 16 })
  #ringHead = 0
  #ringCount = 0
  #returned: StoredMessage[] = []
  #returnedHead = 0
  #nextPosition = 0

  get length(): number {
    return this.#ringCount + this.#returned.length - this.#returnedHead
  }

  /** Appends a new message. */
  push(stored: StoredMessage): void {
    if (this.#ringCount === this.#ring.length) this.#grow()
    stored.position = this.#nextPosition
    this.#nextPosition += 1
    // The length is a power of two, so the mask is the remainder.
    this.#ring[(this.#ringHead + this.#ringCount) & (this.#ring.length - 1)] = stored
    this.#ringCount += 1
  }

  /** The first message, which stays. */
  first(): StoredMessage | undefined {
    return this.#returnedHead < this.#returned.length ? this.#returned[this.#returnedHead] : this.#ring[this.#ringHead]
  }

  /** Takes the first message out. */
  take(): StoredMessage | undefined {
    if (this.#returnedHead < this.#returned.length) return this.#takeReturned()
    const stored = this.#ring[this.#ringHead]
    if (stored === undefined) return undefined
    this.#ring[this.#ringHead] = undefined
    this.#ringHead = (this.#ringHead + 1) & (this.#ring.length - 1)
    this.#ringCount -= 1
    return stored
  }

  /** Puts a message that was taken back to its place. */
  giveBack(stored: StoredMessage): void {
    let low = this.#returnedHead
    let high = this.#returned.length
    // Mostly given back in order: looked for at the end first.
    if (high > low && (this.#returned[high - 1] as StoredMessage).position < stored.position) low = high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#returned[middle] as StoredMessage).position < stored.position) low = middle + 1
      else high = middle
    }
    this.#returned.splice(low, 0, stored)
  }

  /** All messages in order. */
  *[Symbol.iterator](): Generator<StoredMessage> {
    yield* this.#returned.slice(this.#returnedHead)
    for (let index = 0; index < this.#ringCount; index += 1) {
      yield this.#ring[(this.#ringHead + index) & (this.#ring.length - 1)] as StoredMessage
    }
  }

  #takeReturned(): StoredMessage {
    const stored = this.#returned[this.#returnedHead] as StoredMessage
    this.#returnedHead += 1
    if (this.#returnedHead === this.#returned.length) {
      this.#returned = []
      this.#returnedHead = 0
    }
    return stored
  }

  #grow(): void {
    const grown: (StoredMessage | undefined)[] = Array.from({ length: this.#ring.length * 2 })
    for (let index = 0; index < this.#ringCount; index += 1) {
      grown[index] = this.#ring[(this.#ringHead + index) & (this.#ring.length - 1)]
    }
    this.#ring = grown
    this.#ringHead = 0
  }
}
