import { resourceNames } from '@posthorn/core/adapter'
import type { Delivery, Target, WireMessage } from '@posthorn/core/adapter'
import type { ConsumeMessage, Options } from 'amqplib'

/** Where RabbitMQ takes a message in. */
export interface Address {
  /** Empty for the default exchange, which routes by the name of a queue. */
  readonly exchange: string
  readonly routingKey: string
}

/** Maps a target: events go through their exchange by type, copies for one group straight into its queue. */
export function addressOf(target: Target, type: string): Address {
  if ('destination' in target) return { exchange: target.destination, routingKey: type }
  if ('retry' in target) {
    const { destination, group, delayMs } = target.retry
    return { exchange: '', routingKey: resourceNames.retry(destination, group, delayMs) }
  }
  if ('dead' in target) {
    return { exchange: '', routingKey: resourceNames.dead(target.dead.destination, target.dead.group) }
  }
  return { exchange: '', routingKey: resourceNames.group(target.group.destination, target.group.group) }
}

/** The properties of a message: persistent and mandatory, always. */
export function publishOptionsOf(message: WireMessage): Options.Publish {
  const options: Options.Publish = {
    mandatory: true,
    persistent: true,
    messageId: message.id,
    headers: message.headers,
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

/** What a message does not say of itself. */
export interface DeliveryParts {
  /** The queue. */
  readonly address: string
  readonly complete: () => void
  readonly release: () => void
}

/** Reads a message defensively: any client may have written it. Also keeps `x-first-death-*` of the broker's own dead letters. */
export function deliveryOf({ content, properties }: ConsumeMessage, parts: DeliveryParts): Delivery {
  const headers = scalarHeadersOf(properties.headers)
  const id: unknown = properties.messageId
  const contentType: unknown = properties.contentType
  // One literal, since this runs for every message and copying objects shows in its cost.
  const delivery: Delivery & { id?: string } = {
    body: content,
    headers,
    contentType: typeof contentType === 'string' ? contentType : '',
    address: parts.address,
    // Absent on the first delivery. From 4.3 on it counts crashes and rejects, before also what we release.
    brokerRedeliveries: wholeCount(headers['x-delivery-count']),
    complete: parts.complete,
    release: parts.release,
  }
  if (typeof id === 'string' && id !== '') delivery.id = id
  return delivery
}

/**
 * The scalar headers as strings. Own properties only: amqplib decodes a table named `__proto__` into the prototype.
 */
function scalarHeadersOf(table: object | undefined): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(table ?? {}) as [string, unknown][]) {
    if (typeof value === 'string') headers[name] = value
    else if (typeof value === 'number' || typeof value === 'boolean') headers[name] = String(value)
    else if (Buffer.isBuffer(value)) headers[name] = value.toString('utf8')
  }
  return headers
}

function wholeCount(text: string | undefined): number {
  if (text === undefined) return 0
  const count = Number(text)
  return Number.isSafeInteger(count) && count > 0 ? count : 0
}
