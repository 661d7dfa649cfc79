import type { Delivery, DeliveryPosition } from '@posthorn/core/adapter'
import type { FetchedRecord } from './driver/driver.js'
import { isOtherThan, withKey } from './messageMapping.js'
import type { ReadHeaders } from './messageMapping.js'

/** Where a delivery comes from, and who is told what became of it. */
export interface DeliverySource<Item> {
  readonly topic: string
  readonly partition: number
  /** Shared by all deliveries of the partition. */
  readonly lost: AbortSignal
  readonly settle: (item: Item, done: boolean) => void
}

export interface DeliveryFacts<Item> {
  readonly item: Item
  readonly record: FetchedRecord
  readonly read: ReadHeaders
  readonly brokerRedeliveries: number
}

/** One record, handed over; settled once. A class, since an object with closures of its own costs three times as much. */
export class PartitionDelivery<Item> implements Delivery {
  readonly body: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  readonly partitionKey?: string
  readonly brokerRedeliveries: number
  readonly #source: DeliverySource<Item>
  readonly #item: Item
  readonly #offset: number
  #isSettled = false

  constructor(source: DeliverySource<Item>, { item, record, read, brokerRedeliveries }: DeliveryFacts<Item>) {
    this.body = record.value
    this.contentType = read.contentType
    const { key } = record
    if (key === null) this.headers = read.headers
    else {
      const text = key.toString()
      this.partitionKey = text
      this.headers = isOtherThan(key, text) ? withKey(read.headers, key) : read.headers
    }
    this.brokerRedeliveries = brokerRedeliveries
    this.#source = source
    this.#item = item
    this.#offset = record.offset
  }

  get address(): string {
    return `${this.#source.topic}[${this.#source.partition}]@${this.#offset}`
  }

  get position(): DeliveryPosition {
    return { name: this.#source.topic, partition: this.#source.partition, offset: this.#offset }
  }

  get lost(): AbortSignal {
    return this.#source.lost
  }

  complete(): void {
    this.#settle(true)
  }

  release(): void {
    this.#settle(false)
  }

  #settle(done: boolean): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#source.settle(this.#item, done)
  }
}
