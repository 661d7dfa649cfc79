/** One offset of the window. */
export interface Tracked {
  readonly offset: number
  done: boolean
}

/** Let go of the finished front in pieces, since shifting each would move the rest each time. */
const compactAt = 1_024

/**
 * Finds the offset that may be committed: the lowest one that is not done, however many above it are. Offsets come in
 * ascending order and need not be dense.
 */
export class LowWaterMark {
  #window: Tracked[] = []
  #head = 0
  #next: number
  #doneCount = 0

  constructor(start: number) {
    this.#next = start
  }

  /** What may be committed: everything below it is done. */
  get mark(): number {
    return this.#window[this.#head]?.offset ?? this.#next
  }

  /** Where the next offset is expected, at the earliest. */
  get next(): number {
    return this.#next
  }

  /** From the lowest one that is not done to the highest that came: what a crash repeats, at most. */
  get size(): number {
    return this.#window.length - this.#head
  }

  /** Something is done that is not below the mark. */
  get hasDoneAhead(): boolean {
    return this.#doneCount > 0
  }

  track(tracked: Tracked): void {
    this.#window.push(tracked)
    this.#next = tracked.offset + 1
  }

  /** Nothing is between the last offset and this one: offsets of control records, or compacted away. */
  skipTo(offset: number): void {
    if (offset > this.#next) this.#next = offset
  }

  /** Says whether the mark has moved. */
  finish(tracked: Tracked): boolean {
    tracked.done = true
    const before = this.#head
    while (this.#window[this.#head]?.done === true) this.#head += 1
    const hasMoved = this.#head > before
    this.#doneCount += 1 - (this.#head - before)
    if (this.#head >= compactAt && this.#head * 2 >= this.#window.length) {
      this.#window = this.#window.slice(this.#head)
      this.#head = 0
    }
    return hasMoved
  }
}
