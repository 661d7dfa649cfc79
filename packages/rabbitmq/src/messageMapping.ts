import { noHeaders } from '@posthorn/core/adapter'
import type { Delivery, DeliveryPosition, WireMessage } from '@posthorn/core/adapter'
import type { Options } from 'amqplib'
import { bodyOf } from './amqpValue.js'
import type { IncomingMessage } from './deliveryReader.js'

/** The properties of a message: persistent and mandatory, always. */
export function publishOptionsOf(message: WireMessage): Options.Publish {
  const options: Options.Publish = {
    mandatory: true,
    persistent: true,
    messageId: message.id,
    headers: { ...message.headers }, // Instrumentations of amqplib write into them; ours may be frozen or shared.
  }
  if (message.contentType !== '') options.contentType = message.contentType
  if (message.type !== '') options.type = message.type
  return options
}

/** The body without a copy; an absent one is empty on RabbitMQ, which knows no null. */
export function contentOf(message: WireMessage): Buffer {
  const { body } = message
  if (body === null) return Buffer.alloc(0)
  return Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}

/** Bytes that the headers take as an AMQP table: a length, and for each a short name, a type and a long string. */
export function headerBytesOf(headers: Readonly<Record<string, string>>): number {
  let bytes = 4
  for (const [name, value] of Object.entries(headers)) bytes += 6 + Buffer.byteLength(name) + Buffer.byteLength(value)
  return bytes
}

/** Who settles a delivery on its channel. */
export interface Settler {
  /** Shared by all deliveries of the channel. */
  readonly lost: AbortSignal
  /** Called at most once for a delivery. */
  settle(delivery: ReceivedDelivery, how: 'complete' | 'release'): void
}

/**
 * A message read defensively, since any client may have written it; keeps `x-first-death-*` of the broker's own dead
 * letters. A class: functions made for each message show in the cost of consuming.
 */
export class ReceivedDelivery implements Delivery {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  /** The queue. */
  readonly address: string
  /** Absent on the first delivery. From 4.3 on it counts crashes and rejects, before also what we release. */
  readonly brokerRedeliveries: number
  declare readonly id?: string
  readonly deliveryTag: number
  readonly bytes: number
  readonly #settler: Settler
  #isSettled = false

  constructor(message: IncomingMessage, address: string, settler: Settler) {
    const { content, contentType, messageId } = message
    const headers = message.texts ?? scalarHeadersOf(message.headers)
    this.body = bodyOf(content, message.type)
    this.headers = headers
    this.contentType = typeof contentType === 'string' ? contentType : ''
    this.address = address
    this.brokerRedeliveries = headers === noHeaders ? 0 : wholeCount(headers['x-delivery-count'])
    if (typeof messageId === 'string' && messageId !== '') this.id = messageId
    this.deliveryTag = message.deliveryTag
    this.bytes = content.length
    this.#settler = settler
  }

  get position(): DeliveryPosition {
    return { name: this.address, deliveryTag: this.deliveryTag }
  }

  get lost(): AbortSignal {
    return this.#settler.lost
  }

  complete(): void {
    this.#settle('complete')
  }

  /** Before 4.3 a release counts towards the broker's delivery limit; AMQP has no way to give back without. */
  release(): void {
    this.#settle('release')
  }

  #settle(how: 'complete' | 'release'): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#settler.settle(this, how)
  }
}

/**
 * The scalar headers as strings. Own properties only: amqplib decodes a table named `__proto__` into the prototype.
 */
function scalarHeadersOf(table: object | undefined): Readonly<Record<string, string>> {
  if (table === undefined) return noHeaders
  const headers = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(table) as [string, unknown][]) {
    if (typeof value === 'string') headers[name] = value
    else if (typeof value === 'number' || typeof value === 'boolean') headers[name] = String(value)
    else if (Buffer.isBuffer(value)) headers[name] = value.toString('utf8')
    else if (isTimestamp(value)) headers[name] = isoTimeOf(value) ?? String(value.value)
  }
  return headers
}

/** How amqplib gives a field of type `T`, which is what a date of Python or of an AMQP 1.0 client becomes. */
interface Timestamp {
  readonly '!': 'timestamp'
  /** Seconds since 1970. */
  readonly value: number
}

function isTimestamp(value: unknown): value is Timestamp {
  const candidate = value as Partial<Timestamp> | null
  return typeof candidate === 'object' && candidate?.['!'] === 'timestamp' && typeof candidate.value === 'number'
}

/** The canonical string of a CloudEvents timestamp (RFC 3339); undefined for what no date can show. */
function isoTimeOf({ value }: Timestamp): string | undefined {
  const date = new Date(value * 1000)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

/** Deliveries that ended without an answer, of headers as they came; cheaper than reading all of them. */
export function redeliveriesOf(table: object | undefined): number {
  const count: unknown =
    table !== undefined && Object.hasOwn(table, 'x-delivery-count') ? Object(table)['x-delivery-count'] : 0
  return typeof count === 'number' ? count : 0
}

function wholeCount(text: string | undefined): number {
  if (text === undefined) return 0
  const count = Number(text)
  return Number.isSafeInteger(count) && count > 0 ? count : 0
}
