import { keyHeader } from '@posthorn/core/adapter'
import type { WireMessage } from '@posthorn/core/adapter'
import type { FetchedRecord, OutgoingRecord } from './driver/driver.js'

/** The header that carries a message's content type, by CloudEvents' Kafka binding. */
const contentTypeHeader = 'content-type'
/** Names with which a sender could reach a prototype, and ours. */
const refusedHeaders: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype', keyHeader])

/** Makes records of messages; id and type are in the body or in headers already. */
export interface RecordMaker {
  /** Throws a `TypeError` that names the header when one is no string: Kafka's clients would write something else. */
  toRecord(message: WireMessage, timestampMs: number): OutgoingRecord
}

/** Headers of messages that have none but their content type, by that; nobody has more media types than these. */
const maxSharedHeaders = 32

export function createRecordMaker(): RecordMaker {
  const shared = new Map<string, Readonly<Record<string, string>>>()

  /** One object for all, since most messages have no other header. */
  function contentTypeOnly(contentType: string): Readonly<Record<string, string>> {
    const known = shared.get(contentType)
    if (known !== undefined) return known
    const headers = contentType === '' ? {} : { [contentTypeHeader]: contentType }
    if (shared.size < maxSharedHeaders) shared.set(contentType, headers)
    return headers
  }

  function headersOf({ headers, contentType }: WireMessage): Readonly<Record<string, string>> {
    for (const _name in headers) return ownTexts(headers, contentType)
    return contentTypeOnly(contentType)
  }

  return {
    toRecord: (message, timestampMs) => ({
      key: keyOf(message),
      value: message.body === null ? null : asBuffer(message.body),
      headers: headersOf(message),
      timestampMs,
    }),
  }
}

/** Who gives a message another key than the one that it was read with, wants that. */
function keyOf({ partitionKey, headers }: WireMessage): string | Buffer | null {
  const written = headers[keyHeader]
  if (typeof written === 'string') {
    const bytes = Buffer.from(written, 'base64')
    if (partitionKey === undefined || partitionKey === bytes.toString()) return bytes
  }
  return partitionKey ?? null
}

function ownTexts(headers: Readonly<Record<string, unknown>>, contentType: string): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (typeof value !== 'string') throw new TypeError(`Header "${name}" is no string`)
    if (name !== keyHeader && name.toLowerCase() !== contentTypeHeader) texts[name] = value
  }
  if (contentType !== '') texts[contentTypeHeader] = contentType
  return texts
}

/** What the headers of a record say. The object is never changed: records may share it. */
export interface ReadHeaders {
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
}

/** Reads headers; those that are the same object as before are not read again, as a driver may give them. */
export function createHeadersReader(): (headers: FetchedRecord['headers']) => ReadHeaders {
  let before: FetchedRecord['headers'] | undefined
  let shared: ReadHeaders | undefined
  return (headers) => {
    if (headers === before) return (shared ??= frozen(readHeaders(headers)))
    before = headers
    shared = undefined
    return readHeaders(headers)
  }
}

/** Only what is shared: with a trace header each record has headers of its own, and to freeze them costs twice what reading them does. */
function frozen(read: ReadHeaders): ReadHeaders {
  Object.freeze(read.headers)
  return read
}

function readHeaders(headers: FetchedRecord['headers']): ReadHeaders {
  const read: Record<string, string> = {}
  let contentType = ''
  for (const name of Object.keys(headers)) {
    const text = textOf(headers[name])
    if (text === undefined || refusedHeaders.has(name)) continue
    if (name === contentTypeHeader || name.toLowerCase() === contentTypeHeader) contentType = text
    else read[name] = text
  }
  // An object that is made without a prototype is a hash table to V8: larger, and slower to look into.
  Object.setPrototypeOf(read, null)
  return { headers: read, contentType }
}

/** A repeated name is a list: the first one counts. */
function textOf(value: unknown): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value
  if (Buffer.isBuffer(first)) return first.toString()
  return typeof first === 'string' ? first : undefined
}

/** Whether the text, as UTF-8, is not the key that it was read from. A search for one character, but for what is broken. */
export function isOtherThan(key: Buffer, text: string): boolean {
  return text.includes('\uFFFD') && !key.equals(Buffer.from(text))
}

/** Shared headers are not changed. */
export function withKey(headers: ReadHeaders['headers'], key: Buffer): ReadHeaders['headers'] {
  const own = Object.assign(Object.create(null) as Record<string, string>, headers)
  own[keyHeader] = key.toString('base64')
  return own
}

/** The same bytes, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
