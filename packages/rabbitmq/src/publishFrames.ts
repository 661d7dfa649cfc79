import type { WireMessage } from '@posthorn/core/adapter'
import type { Address } from './topologyMap.js'

/*
 * The frames of `basic.publish` of AMQP 0-9-1 (sections 2.3.5 and 4.2), for one message: method, content header, body.
 * Always mandatory and persistent.
 */

/** Type, channel and size before the payload of a frame, and the octet after it. */
export const frameOverhead = 8
const frameEnd = 0xce
const persistent = 2
/** What a header frame has beside the properties: class, weight, length of the body, flags. */
const headerFixedBytes = 14
/** Property flags, in the order in which the properties follow. */
const flags = { contentType: 0x8000, headers: 0x2000, deliveryMode: 0x1000, messageId: 0x0080, type: 0x0020 } as const

/** Most bytes that a message takes up as frames; never too few. Strings are counted as if every unit took three bytes. */
export function maxPublishBytes(message: WireMessage, address: Address, frameMax: number): number {
  const bodyBytes = message.body?.byteLength ?? 0
  const bodyFrames = Math.ceil(bodyBytes / (frameMax - frameOverhead))
  let units =
    address.exchange.length +
    address.routingKey.length +
    message.id.length +
    message.type.length +
    message.contentType.length
  let fixed = 64
  for (const name in message.headers) {
    units += name.length + (message.headers[name] as string).length
    fixed += 6
  }
  return units * 3 + fixed + bodyBytes + bodyFrames * frameOverhead
}

/** Where and how frames are written. */
export interface FrameWriter {
  readonly buffer: Buffer
  readonly channel: number
  readonly frameMax: number
}

/** Writes one message from `offset` on, and returns where it ends. The buffer has room for `maxPublishBytes`. */
export function writePublish(writer: FrameWriter, offset: number, message: WireMessage, address: Address): number {
  const afterMethod = writeMethodFrame(writer, offset, address)
  const afterHeader = writeHeaderFrame(writer, afterMethod, message)
  return message.body === null ? afterHeader : writeBodyFrames(writer, afterHeader, message.body)
}

function writeMethodFrame({ buffer, channel }: FrameWriter, start: number, address: Address): number {
  buffer[start] = 1
  buffer[start + 1] = channel >>> 8
  buffer[start + 2] = channel
  let at = start + 7
  // Class 60, method 40, and a ticket that is not used any more.
  buffer[at] = 0
  buffer[at + 1] = 60
  buffer[at + 2] = 0
  buffer[at + 3] = 40
  buffer[at + 4] = 0
  buffer[at + 5] = 0
  at = writeShortString(buffer, at + 6, address.exchange)
  at = writeShortString(buffer, at, address.routingKey)
  buffer[at] = 1 // mandatory
  return endFrame(buffer, start, at + 1)
}

function writeHeaderFrame({ buffer, channel }: FrameWriter, start: number, message: WireMessage): number {
  const bodyBytes = message.body?.byteLength ?? 0
  buffer[start] = 2
  buffer[start + 1] = channel >>> 8
  buffer[start + 2] = channel
  const at = start + 7
  buffer[at] = 0
  buffer[at + 1] = 60
  buffer[at + 2] = 0
  buffer[at + 3] = 0
  writeUint32(buffer, at + 4, 0)
  writeUint32(buffer, at + 8, bodyBytes)
  const end = writeProperties(buffer, at + headerFixedBytes, message)
  const set = flagsOf(message)
  buffer[at + 12] = set >>> 8
  buffer[at + 13] = set
  return endFrame(buffer, start, end)
}

function flagsOf({ contentType, headers, type }: WireMessage): number {
  let set: number = flags.deliveryMode | flags.messageId
  if (contentType !== '') set |= flags.contentType
  if (type !== '') set |= flags.type
  for (const _name in headers) return set | flags.headers
  return set
}

function writeProperties(buffer: Buffer, start: number, { contentType, headers, id, type }: WireMessage): number {
  let at = contentType === '' ? start : writeShortString(buffer, start, contentType)
  at = writeTable(buffer, at, headers)
  buffer[at] = persistent
  at = writeShortString(buffer, at + 1, id)
  return type === '' ? at : writeShortString(buffer, at, type)
}

/** Nothing at all for an empty table: its flag is not set then. */
function writeTable(buffer: Buffer, start: number, headers: Readonly<Record<string, string>>): number {
  let at = start + 4
  for (const name in headers) {
    at = writeShortString(buffer, at, name)
    buffer[at] = 0x53 // S: a long string
    const length = buffer.write(headers[name] as string, at + 5)
    writeUint32(buffer, at + 1, length)
    at += 5 + length
  }
  if (at === start + 4) return start
  writeUint32(buffer, start, at - start - 4)
  return at
}

function writeBodyFrames({ buffer, channel, frameMax }: FrameWriter, start: number, body: Uint8Array): number {
  const most = frameMax - frameOverhead
  let at = start
  for (let from = 0; from < body.byteLength; from += most) {
    const to = Math.min(from + most, body.byteLength)
    buffer[at] = 3
    buffer[at + 1] = channel >>> 8
    buffer[at + 2] = channel
    buffer.set(from === 0 && to === body.byteLength ? body : body.subarray(from, to), at + 7)
    at = endFrame(buffer, at, at + 7 + to - from)
  }
  return at
}

function writeShortString(buffer: Buffer, at: number, text: string): number {
  const length = buffer.write(text, at + 1)
  // Longer ones are refused long before; a wrong length here would let the broker read nonsense.
  if (length > 255) throw new RangeError(`"${text}" is longer than the 255 bytes of an AMQP short string`)
  buffer[at] = length
  return at + 1 + length
}

function writeUint32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

/** Fills in the size, and sets the last octet. */
function endFrame(buffer: Buffer, start: number, payloadEnd: number): number {
  writeUint32(buffer, start + 3, payloadEnd - start - 7)
  buffer[payloadEnd] = frameEnd
  return payloadEnd + 1
}
