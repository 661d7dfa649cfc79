import type { EntryKey, EntryRef, Lease, OutboxEntry } from '../ports.js'

/** A partition that this relay owns, or has owned, under one fence. */
export class HeldPartition implements Lease {
  readonly partition: number
  readonly fence: bigint
  /** On the monotonic clock: nothing new is sent from here on. */
  validUntil: number
  /** Somebody else may own it: nothing is sent, and nothing is removed. */
  isLost = false
  /** It goes back as soon as nothing of it is under way. */
  isDraining = false
  /**
   * The store was asked to take it back. Without an answer that may be done at any time, under this very fence: so it is not used
   * any more until it comes again under another.
   */
  isGivenBack = false
  /** Rises when unsent entries are forgotten: what was asked for before may lack those in front. */
  generation = 0
  heldCount = 0
  /** Sends, and failures that the store is being told of: until they end, those entries are held and come with no read. */
  unsettledCount = 0
  readonly lanes: Map<string, KeyLane> = new Map()
  /** The same partition under an older fence, where something is not settled: until then nothing is read, or order breaks. */
  #before: HeldPartition | undefined

  constructor({ partition, fence }: Lease, validUntil: number, before: HeldPartition | undefined) {
    this.partition = partition
    this.fence = fence
    this.validUntil = validUntil
    this.#before = before
  }

  isReadable(now: number): boolean {
    if (this.isLost || this.isDraining || now >= this.validUntil) return false
    return this.#unsettledBefore === undefined
  }

  /** This, or the one before it, while something is not settled. */
  get unsettled(): HeldPartition | undefined {
    return this.unsettledCount > 0 ? this : this.#unsettledBefore
  }

  get #unsettledBefore(): HeldPartition | undefined {
    this.#before = this.#before?.unsettled
    return this.#before
  }
}

/** The entries of one key that are in memory. */
export class KeyLane implements EntryKey {
  readonly partition: number
  readonly key: string
  readonly owner: HeldPartition
  /** Not sent yet, in the order of their ids. */
  unsent: HeldEntry[] = []
  inFlightCount = 0
  /** Outages in a row. */
  failures = 0
  /** On the monotonic clock; 0: it does not wait. While it waits, nothing of it is held. */
  waitUntil = 0
  /** The destination that took nothing when it last waited. */
  waitsFor = ''
  /** Failures that the store is being told of. */
  failingCount = 0
  /** There is more of the key than what is here, and it is not wanted now. */
  isClosed = false
  /** With so many unsent, more is wanted again. */
  reopensAt = 0
  closedSince = 0

  constructor(owner: HeldPartition, key: string) {
    this.owner = owner
    this.partition = owner.partition
    this.key = key
  }

  /** Into its place: one with a lower id may come later. */
  add(held: HeldEntry): void {
    const { unsent } = this
    let place = unsent.length
    while (place > 0 && (unsent[place - 1] as HeldEntry).id > held.id) place -= 1
    if (place === unsent.length) unsent.push(held)
    else unsent.splice(place, 0, held)
  }

  /** `since`: how long it has been slow counts from here; nothing is slower than what failed. */
  close(reopensAt: number, since: number = -Infinity): void {
    this.isClosed = true
    this.reopensAt = reopensAt
    this.closedSince = since
  }
}

/** One entry from reading to removing. */
export class HeldEntry implements EntryRef {
  readonly entry: OutboxEntry
  readonly lane: KeyLane
  readonly partition: number
  readonly id: bigint
  readonly fence: bigint
  readonly bytes: number
  /** Its place in `HeldEntries`; -1 when it is not held. */
  slot = -1

  constructor(entry: OutboxEntry, lane: KeyLane) {
    this.entry = entry
    this.lane = lane
    this.partition = entry.partition
    this.id = entry.id
    this.fence = lane.owner.fence
    this.bytes = entry.message.body?.length ?? 0
  }
}

/** All entries in memory, counted: an array in which each knows its place (docs/decisions/0006-no-set-with-churn.md). */
export class HeldEntries {
  readonly #items: HeldEntry[] = []
  #bytes = 0

  get count(): number {
    return this.#items.length
  }

  get bytes(): number {
    return this.#bytes
  }

  get all(): readonly HeldEntry[] {
    return this.#items
  }

  add(held: HeldEntry): void {
    held.slot = this.#items.length
    this.#items.push(held)
    this.#bytes += held.bytes
    held.lane.owner.heldCount += 1
  }

  /** Forgets an entry; false when it was forgotten before. */
  release(held: HeldEntry): boolean {
    if (held.slot === -1) return false
    const last = this.#items.pop() as HeldEntry
    if (last !== held) {
      this.#items[held.slot] = last
      last.slot = held.slot
    }
    held.slot = -1
    this.#bytes -= held.bytes
    held.lane.owner.heldCount -= 1
    return true
  }
}
