import { fullJitter } from '@posthorn/core/adapter'
import type { Clock, Delivery } from '@posthorn/core/adapter'
import type { Caution } from './caution.js'
import type { CrashRecord } from './crashRecord.js'
import type { FetchedBatch, FetchedRecord } from './driver/driver.js'
import { LowWaterMark } from './lowWaterMark.js'
import type { Tracked } from './lowWaterMark.js'
import { readRecord } from './messageMapping.js'
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
}

interface Item {
  readonly record: FetchedRecord
  readonly tracked: Tracked
  readonly bytes: number
  dueAtMs: number
  releases: number
}

/** Between a release and the next delivery: enough for what caused it to pass, little enough for the partition to go on. */
const releaseBackoff = { firstMs: 200, maxMs: 10_000 }

/**
 * One partition while it is ours: what was fetched waits here, in order, until it is handed over; what was handed over
 * counts until it is settled. Opening → open → gone (the partition was lost: its deliveries settle nothing any more).
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
  #state: 'opening' | 'open' | 'halted' | 'gone' = 'opening'
  /** What the group has committed last; undefined: nothing yet. */
  committed: number | undefined

  constructor(parts: QueueParts) {
    this.#parts = parts
  }

  get partition(): number {
    return this.#parts.partition
  }

  get isOpening(): boolean {
    return this.#state === 'opening'
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

  /** What may be committed; undefined while nothing is known of the partition. */
  get mark(): number | undefined {
    return this.#mark?.mark
  }

  /** Where the next fetch must begin; undefined while nothing is known of the partition. */
  get position(): number | undefined {
    return this.#mark?.next
  }

  /** The group stands here: handing over may begin, with caution if the process before died. */
  open(start: number, caution: Caution | undefined): void {
    if (this.#state !== 'opening') return
    this.#mark ??= new LowWaterMark(start)
    this.#caution = caution
    this.#state = 'open'
    this.#parts.inFlight.request()
  }

  /** Takes what was fetched. What came already is skipped: after a rejoin it can be fetched twice. */
  accept({ records, nextOffset }: FetchedBatch): void {
    if (this.#state === 'gone' || this.#state === 'halted') return
    const fetchedAtMs = this.#parts.clock.now()
    const before = this.#bytes
    const mark = (this.#mark ??= new LowWaterMark(records[0]?.offset ?? nextOffset))
    for (const record of records) {
      if (record.offset < mark.next) continue
      const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
      const dueAtMs = this.#parts.pause?.dueAtMs(record.timestampMs, fetchedAtMs) ?? 0
      this.#fresh.push({ record, tracked: mark.track(record.offset), bytes, dueAtMs, releases: 0 })
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
    if (this.#caution?.permits(item.tracked.offset, this.#inFlight) === false) return undefined
    if (this.#released[0] === item) this.#released.shift()
    else this.#dropFresh()
    this.#bytes -= item.bytes
    this.#parts.inFlight.buffered(-item.bytes)
    this.#inFlight += 1
    this.#parts.inFlight.taken(item.bytes)
    return this.#deliveryOf(item)
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
    const { topic, partition } = this.#parts
    const { offset } = item.record
    const { body, headers, contentType, partitionKey } = readRecord(item.record)
    let settled = false
    const settle = (done: boolean): void => {
      if (settled) return
      settled = true
      this.#settle(item, done)
    }
    return {
      body,
      headers,
      contentType,
      address: `${topic}[${partition}]@${offset}`,
      ...(partitionKey === undefined ? {} : { partitionKey }),
      brokerRedeliveries: this.#caution?.startsAt(offset) ?? 0,
      complete: () => settle(true),
      release: () => settle(false),
    }
  }

  #settle(item: Item, done: boolean): void {
    this.#inFlight -= 1
    if (this.#state !== 'gone') {
      if (done) this.#finish(item)
      else if (this.#state === 'open') this.#putBack(item)
    }
    this.#parts.inFlight.settled(item.bytes)
  }

  #finish({ tracked }: Item): void {
    if (this.#mark!.finish(tracked)) this.#parts.onMoved(this)
    if (this.#inFlight === 0 && this.bufferedCount === 0) this.#caution?.release()
  }

  /** Kafka has no nack: it is delivered again from here, before everything younger, so that the order holds. */
  #putBack(item: Item): void {
    item.releases += 1
    item.dueAtMs = this.#parts.clock.now() + fullJitter(item.releases, releaseBackoff)
    const at = this.#released.findIndex(({ tracked }) => tracked.offset > item.tracked.offset)
    this.#released.splice(at === -1 ? this.#released.length : at, 0, item)
    this.#bytes += item.bytes
    this.#parts.inFlight.buffered(item.bytes)
  }
}
