import type { WireMessage } from '@posthorn/core/adapter'
import type { FetchedRecord, OutgoingRecord } from './driver/driver.js'

/** The header that carries a message's content type, by CloudEvents' Kafka binding. */
const contentTypeHeader = 'content-type'
/** Names with which a sender could reach a prototype. */
const refusedHeaders: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** A message as a Kafka record; id and type are in the body or in headers already. */
export function toRecord(message: WireMessage, timestampMs: number): OutgoingRecord {
  const headers: Record<string, string> = {}
  for (const name of Object.keys(message.headers)) {
    if (name.toLowerCase() !== contentTypeHeader) headers[name] = message.headers[name]!
  }
  if (message.contentType !== '') headers[contentTypeHeader] = message.contentType
  return {
    key: message.partitionKey === undefined ? null : Buffer.from(message.partitionKey),
    value: message.body === null ? null : asBuffer(message.body),
    headers,
    timestampMs,
  }
}

/** What a record says, as a delivery has it. */
export interface ReadRecord {
  readonly body: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  readonly partitionKey: string | undefined
}

export function readRecord({ key, value, headers }: FetchedRecord): ReadRecord {
  const read: Record<string, string> = Object.create(null) as Record<string, string>
  let contentType = ''
  for (const name of Object.keys(headers)) {
    const text = textOf(headers[name])
    if (text === undefined || refusedHeaders.has(name)) continue
    if (name.toLowerCase() === contentTypeHeader) contentType = text
    else read[name] = text
  }
  return { body: value, headers: read, contentType, partitionKey: key === null ? undefined : key.toString() }
}

/** A repeated name is a list: the first one counts. */
function textOf(value: unknown): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value
  if (Buffer.isBuffer(first)) return first.toString()
  return typeof first === 'string' ? first : undefined
}

/** The same bytes, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
