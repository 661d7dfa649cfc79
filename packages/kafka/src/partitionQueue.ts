import { fullJitter } from '@posthorn/core/adapter'
import type { Clock, Delivery } from '@posthorn/core/adapter'
import type { Caution } from './caution.js'
import type { CrashRecord } from './crashRecord.js'
import type { FetchedBatch, FetchedRecord } from './driver/driver.js'
import { LowWaterMark } from './lowWaterMark.js'
import type { Tracked } from './lowWaterMark.js'
import { createHeadersReader } from './messageMapping.js'
import { PartitionDelivery } from './partitionDelivery.js'
import type { DeliverySource } from './partitionDelivery.js'
import type { RungPause } from './rungPause.js'

/** What all partitions of a subscription share. */
export interface InFlightCount {
  taken(bytes: number): void
  settled(bytes: number): void
  /** Bytes that were fetched and not handed over, more or less than before. */
  buffered(bytes: number): void
  /** Something may be handed over that could not before. */
  request(): void
}

export interface QueueParts {
  readonly topic: string
  readonly partition: number
  /** For a retry topic: when its messages are due. */
  readonly pause: RungPause | undefined
  readonly maxUncommittedCount: number
  readonly record: CrashRecord
  readonly clock: Clock
  readonly inFlight: InFlightCount
  /** False while it is not known whether the partition stays ours. */
  readonly mayHandOver: () => boolean
  /** What may be committed has moved. */
  readonly onMoved: (queue: PartitionQueue) => void
  /** Something was settled that is not ours any more. */
  readonly onStale: () => void
  /** The client has lost the offset of the group: what it fetches before this is opened, is from nobody knows where. */
  readonly isReset?: boolean
}

interface Item extends Tracked {
  /** Undefined once it is done: the window of offsets outlives it, and must not keep what was fetched with it. */
  record: FetchedRecord | undefined
  readonly bytes: number
  dueAtMs: number
  releases: number
}

/** Between a release and the next delivery: enough for what caused it to pass, little enough for the partition to go on. */
const releaseBackoff = { firstMs: 200, maxMs: 10_000 }

/**
 * One partition while it is ours: what was fetched waits here, in order, until it is handed over; what was handed over
 * counts until it is settled. Opening → open → gone (the partition was lost: its deliveries are told, and settle nothing any more).
 */
export class PartitionQueue {
  readonly #parts: QueueParts
  #mark: LowWaterMark | undefined
  #fresh: Item[] = []
  #freshHead = 0
  /** Released ones go first: they are older than everything fresh. */
  #released: Item[] = []
  #caution: Caution | undefined
  #bytes = 0
  #inFlight = 0
  readonly #lost = new AbortController()
  readonly #source: DeliverySource<Item>
  readonly #readHeaders = createHeadersReader()
  #state: 'opening' | 'open' | 'halted' | 'gone' = 'opening'
  /** What the group has committed last; undefined: nothing yet. */
  committed: number | undefined
  /** While it is opening: where the group stood, as far as that is known, in case a client overwrites it. */
  stood: number | undefined
  /** Whether the group's record says that `stood` was lost. */
  isOnRecord = false
  /** From when on finished messages wait for the committed offset to move, on the monotonic clock. */
  #waitsSince: number | undefined

  constructor(parts: QueueParts) {
    this.#parts = parts
    const { topic, partition } = parts
    this.#source = { topic, partition, lost: this.#lost.signal, settle: (item, done) => this.#settle(item, done) }
  }

  get partition(): number {
    return this.#parts.partition
  }

  get isOpening(): boolean {
    return this.#state === 'opening'
  }

  get isReset(): boolean {
    return this.#parts.isReset === true
  }

  /** Something was, or could have been, handed over: there is a mark to commit. */
  get isCommittable(): boolean {
    return this.#state === 'open' || this.#state === 'halted'
  }

  get bufferedCount(): number {
    return this.#fresh.length - this.#freshHead + this.#released.length
  }

  get bufferedBytes(): number {
    return this.#bytes
  }

  get inFlightCount(): number {
    return this.#inFlight
  }

  /** How long finished messages have waited while the committed offset stood still, in milliseconds. */
  get commitAgeMs(): number {
    return this.#waitsSince === undefined ? 0 : this.#parts.clock.monotonic() - this.#waitsSince
  }

  /** What may be committed; undefined while nothing is known of the partition. */
  get mark(): number | undefined {
    return this.#mark?.mark
  }

  /** Where the next fetch must begin; undefined while nothing is known of the partition. */
  get position(): number | undefined {
    return this.#mark?.next
  }

  /**
   * The group stands here: handing over may begin, with caution if the process before died. True when the next fetch has
   * to begin here, since what was fetched lies before.
   */
  open(start: number, caution: Caution | undefined): boolean {
    if (this.#state !== 'opening') return false
    const isAhead = this.#mark !== undefined && this.#mark.mark < start
    if (isAhead) this.#forget()
    if (isAhead || this.#mark === undefined) this.#mark = new LowWaterMark(start)
    this.#caution = caution
    this.#state = 'open'
    this.#parts.inFlight.request()
    return isAhead
  }

  /** Takes what was fetched. What came already is skipped: after a rejoin it can be fetched twice. */
  accept({ records, nextOffset }: FetchedBatch): void {
    if (this.#state === 'gone' || this.#state === 'halted' || (this.isOpening && this.isReset)) return
    const fetchedAtMs = this.#parts.clock.now()
    const before = this.#bytes
    const mark = (this.#mark ??= new LowWaterMark(records[0]?.offset ?? nextOffset))
    for (const record of records) {
      if (record.offset < mark.next) continue
      const bytes = record.size ?? (record.key?.length ?? 0) + (record.value?.length ?? 0)
      const dueAtMs = this.#parts.pause?.dueAtMs(record.timestampMs, fetchedAtMs) ?? 0
      const item: Item = { offset: record.offset, done: false, record, bytes, dueAtMs, releases: 0 }
      mark.track(item)
      this.#fresh.push(item)
      this.#bytes += bytes
    }
    this.#parts.inFlight.buffered(this.#bytes - before)
    const markBefore = mark.mark
    mark.skipTo(nextOffset)
    if (mark.mark !== markBefore) this.#parts.onMoved(this)
  }

  /** When the next delivery can be taken, on `clock.now()`; undefined when nothing waits, or what waits needs an event. */
  get dueAtMs(): number | undefined {
    return this.#canTake ? this.#head?.dueAtMs : undefined
  }

  /** The next delivery, if it may be handed over now. */
  take(nowMs: number): Delivery | undefined {
    const item = this.#head
    if (item === undefined || !this.#canTake || item.dueAtMs > nowMs) return undefined
    if (this.#caution?.permits(item.offset, this.#inFlight) === false) return undefined
    if (this.#released[0] === item) this.#released.shift()
    else this.#dropFresh()
    this.#bytes -= item.bytes
    this.#parts.inFlight.buffered(-item.bytes)
    this.#inFlight += 1
    this.#parts.inFlight.taken(item.bytes)
    return this.#deliveryOf(item)
  }

  /** The group's offset is this one now. */
  noteCommitted(offset: number): void {
    this.committed = offset
    // Of what is done above it nobody knows the age: it has waited since then at least.
    const isBehind = this.#mark !== undefined && (this.#mark.mark > offset || this.#mark.hasDoneAhead)
    this.#waitsSince = isBehind ? this.#parts.clock.monotonic() : undefined
  }

  /** What a commit of the mark says: that we are alive on it, or that we let go of it alive. */
  metadata(ifClean: boolean): string {
    const { record } = this.#parts
    const mark = this.mark!
    return this.#caution?.metadata(mark, ifClean) ?? (ifClean ? record.clean : record.running(mark, 0))
  }

  /** Hands over nothing more; what was handed over can still be settled. */
  halt(): void {
    this.#state = this.isCommittable ? 'halted' : 'gone'
    this.#forget()
  }

  /** The partition is not ours any more, or not what it was: nothing is handed over, and settling does nothing. */
  drop(): void {
    this.#state = 'gone'
    this.#forget()
    this.#lost.abort()
  }

  get #head(): Item | undefined {
    return this.#released[0] ?? this.#fresh[this.#freshHead]
  }

  get #canTake(): boolean {
    if (this.#state !== 'open' || !this.#parts.mayHandOver()) return false
    const handedOver = this.#mark!.size - (this.#fresh.length - this.#freshHead)
    return this.#released.length > 0 || handedOver < this.#parts.maxUncommittedCount
  }

  #dropFresh(): void {
    this.#freshHead += 1
    if (this.#freshHead < this.#fresh.length && this.#freshHead < 1_024) return
    this.#fresh = this.#fresh.slice(this.#freshHead)
    this.#freshHead = 0
  }

  #forget(): void {
    this.#fresh = []
    this.#freshHead = 0
    this.#released = []
    this.#parts.inFlight.buffered(-this.#bytes)
    this.#bytes = 0
    this.#caution?.release()
  }

  #deliveryOf(item: Item): Delivery {
    const record = item.record!
    const read = this.#readHeaders(record.headers)
    const brokerRedeliveries = this.#caution?.startsAt(item.offset) ?? 0
    return new PartitionDelivery(this.#source, { item, record, read, brokerRedeliveries })
  }

  #settle(item: Item, done: boolean): void {
    this.#inFlight -= 1
    if (this.#state === 'gone') this.#parts.onStale()
    else {
      if (done) this.#finish(item)
      else if (this.#state === 'open') this.#putBack(item)
    }
    this.#parts.inFlight.settled(item.bytes)
  }

  #finish(item: Item): void {
    item.record = undefined
    this.#waitsSince ??= this.#parts.clock.monotonic()
    if (this.#mark!.finish(item)) this.#parts.onMoved(this)
    if (this.#inFlight === 0) this.#caution?.settled()
  }

  /** Kafka has no nack: it is delivered again from here, before everything younger, so that the order holds. */
  #putBack(item: Item): void {
    item.releases += 1
    item.dueAtMs = this.#parts.clock.now() + fullJitter(item.releases, releaseBackoff)
    const at = this.#released.findIndex(({ offset }) => offset > item.offset)
    this.#released.splice(at === -1 ? this.#released.length : at, 0, item)
    this.#bytes += item.bytes
    this.#parts.inFlight.buffered(item.bytes)
  }
}
