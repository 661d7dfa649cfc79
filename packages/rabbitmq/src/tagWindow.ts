/** Above so many places between the oldest and the newest tag, the oldest ones move aside. */
const maxSpan = 65_536
/** So many places at the front are given back at once. */
const minShift = 1_024

/**
 * What is open on a channel, by delivery tag: tags count up by one from 1, and are settled out of order and in groups. A
 * list and not a map: one insertion and one removal per message make V8 rehash a map all the time, and its outdated
 * tables keep dead messages alive until the next full collection. What stays open while others are settled (a publish to
 * a quorum queue without a majority, a slow handler) moves into a map, so that the list keeps its length.
 */
export class TagWindow<T extends object | true> {
  #items: (T | undefined)[] = []
  /** Place of the oldest that may be in the list. */
  #head = 0
  /** Tag of the first place, also when that is empty. */
  #firstTag = 1
  /** In the order of their tags. */
  readonly #aside = new Map<number, T>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The lowest tag that is open. */
  get oldest(): number | undefined {
    if (this.#aside.size > 0) for (const tag of this.#aside.keys()) return tag
    return this.#head < this.#items.length ? this.#firstTag + this.#head : undefined
  }

  /** Opens the next tag and returns it. */
  push(item: T): number {
    if (this.#items.length - this.#head >= maxSpan) this.#moveAside()
    this.#size += 1
    return this.#firstTag + this.#items.push(item) - 1
  }

  /** Leaves out tags, so that the next one is this one. */
  skipTo(tag: number): void {
    if (this.#firstTag + this.#items.length >= tag) return
    while (this.#firstTag + this.#items.length < tag) this.#items.push(undefined)
    this.#shift()
  }

  /** Takes back the newest one, which did not happen after all: the next gets its tag. */
  pop(): void {
    this.#items.pop()
    this.#size -= 1
  }

  /** Settles one tag; undefined when it is not open. */
  take(tag: number): T | undefined {
    const place = tag - this.#firstTag
    const item = place < this.#head ? this.#aside.get(tag) : this.#items[place]
    if (item === undefined) return undefined
    if (place < this.#head) this.#aside.delete(tag)
    else this.#items[place] = undefined
    this.#size -= 1
    if (place === this.#head) this.#shift()
    return item
  }

  /** Settles everything up to a tag, the oldest first. */
  takeUpTo(tag: number): readonly T[] {
    const taken: T[] = []
    for (const [aside, item] of this.#aside) {
      if (aside > tag) break
      this.#aside.delete(aside)
      taken.push(item)
    }
    const end = Math.min(tag - this.#firstTag + 1, this.#items.length)
    for (let place = this.#head; place < end; place += 1) {
      const item = this.#items[place]
      if (item === undefined) continue
      this.#items[place] = undefined
      taken.push(item)
    }
    this.#size -= taken.length
    this.#shift()
    return taken
  }

  /** Settles everything, the oldest first. */
  clear(): readonly T[] {
    const all = [...this]
    this.#aside.clear()
    this.#firstTag += this.#items.length
    this.#items = []
    this.#head = 0
    this.#size = 0
    return all
  }

  /** The oldest first. */
  *[Symbol.iterator](): Generator<T> {
    yield* this.#aside.values()
    for (let place = this.#head; place < this.#items.length; place += 1) {
      const item = this.#items[place]
      if (item !== undefined) yield item
    }
  }

  #shift(): void {
    while (this.#head < this.#items.length && this.#items[this.#head] === undefined) this.#head += 1
    if (this.#head < minShift || this.#head * 2 < this.#items.length) return
    this.#items = this.#items.slice(this.#head)
    this.#firstTag += this.#head
    this.#head = 0
  }

  #moveAside(): void {
    const end = this.#head + maxSpan / 2
    for (let place = this.#head; place < end; place += 1) {
      const item = this.#items[place]
      if (item !== undefined) this.#aside.set(this.#firstTag + place, item)
      this.#items[place] = undefined
    }
    this.#shift()
  }
}
