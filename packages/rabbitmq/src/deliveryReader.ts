import type { Channel, ConsumeMessage } from 'amqplib'

/*
 * The only place that reaches into how amqplib reads. For each message it makes seven views of the buffer, decodes every
 * field and runs three frames through a state machine, and it copies whatever the socket brings. Here a delivery that
 * stands in the buffer as a whole, with properties as we and most clients write them, is read in one go. Everything else
 * (other frames, large messages, tables with more than strings) is left to amqplib, which sees the bytes in the same order.
 */

/** What is used of a message. One flat object, since one is made for every message. */
export interface IncomingMessage {
  readonly content: Buffer
  readonly deliveryTag: number
  readonly contentType: unknown
  readonly messageId: unknown
  readonly type: unknown
  readonly headers: object | undefined
  /** The headers where all are text, in an object without a prototype that is the delivery's own. */
  readonly texts: Readonly<Record<string, string>> | undefined
}

/** A message as amqplib read it. */
export function incomingOf({ content, fields, properties }: ConsumeMessage): IncomingMessage {
  const { contentType, messageId, type, headers } = properties as Partial<ConsumeMessage['properties']>
  return { content, deliveryTag: fields.deliveryTag, contentType, messageId, type, headers, texts: undefined }
}

/** Must not throw. */
export type OnMessage = (message: IncomingMessage) => void

/** What is used of a connection of amqplib 2 beyond its types. */
interface ConnectionInsides {
  /** What was read from the socket and not yet taken. */
  rest: Buffer
  readonly maxFrameSize: number
  /** By number; empty where a channel is gone. */
  readonly channels: readonly unknown[]
  /** Whether something came since the last look of the heartbeat. */
  recvSinceLastCheck: boolean
  readonly stream: { read(): Buffer | null }
  /** Takes the next frame, or false while there is none. */
  recvFrame: () => unknown
}

/** Which channels of a connection are read here; 'ended' where one was, until another has its number. */
const readersKey = Symbol('posthorn.readers')
type Readers = Map<number, OnMessage | 'ended'>

/**
 * Hands whole deliveries of a channel to `onMessage`, in their order among those that still come through amqplib's
 * consumer. Returns what ends that, or nothing when the connection does not look as those of amqplib 2 do.
 */
export function readDeliveries(channel: Channel, onMessage: OnMessage): (() => void) | undefined {
  const { ch, connection } = channel as unknown as { ch?: unknown; connection?: Partial<ConnectionInsides> }
  if (typeof ch !== 'number' || connection === undefined || !isKnown(connection)) return undefined
  const readers = readersOf(connection)
  readers.set(ch, onMessage)
  return () => {
    if (readers.get(ch) === onMessage) readers.set(ch, 'ended')
  }
}

function isKnown(connection: Partial<ConnectionInsides>): connection is ConnectionInsides {
  return (
    Buffer.isBuffer(connection.rest) &&
    typeof connection.maxFrameSize === 'number' &&
    Array.isArray(connection.channels) &&
    typeof connection.recvSinceLastCheck === 'boolean' &&
    typeof connection.stream?.read === 'function' &&
    typeof connection.recvFrame === 'function'
  )
}

function readersOf(connection: ConnectionInsides & { [readersKey]?: Readers }): Readers {
  const known = connection[readersKey]
  if (known !== undefined) return known
  const readers: Readers = new Map()
  connection[readersKey] = readers
  const original = connection.recvFrame.bind(connection)
  // amqplib calls it again after every read of the socket.
  connection.recvFrame = () => {
    const reading = { maxBytes: connection.maxFrameSize, channels: connection.channels, readers }
    do connection.rest = afterDeliveries(connection.rest, reading)
    while (readMore(connection, reading))
    return original()
  }
  return readers
}

/** What is read on one connection. */
interface Reading {
  readonly readers: Readers
  /** By number; empty where a channel is gone. */
  readonly channels: readonly unknown[]
  /** Longest frame. */
  readonly maxBytes: number
}

/** Hands over the whole deliveries at the front of a buffer; gives what is left of it. */
function afterDeliveries(buffer: Buffer, reading: Reading): Buffer {
  let at = 0
  for (;;) {
    const end = takeDelivery(buffer, at, reading) || endOfLate(buffer, at, reading)
    if (end === 0) return at === 0 ? buffer : buffer.subarray(at)
    at = end
  }
}

/** So much of what was read is joined to a torn delivery: amqplib would copy all of it. */
const joinBytes = 4_096

/** True when something was read: deliveries may stand at the front of it. */
function readMore(connection: ConnectionInsides, reading: Reading): boolean {
  const { rest, stream } = connection
  if (reading.readers.size === 0 || rest.length > joinBytes) return false
  const incoming = stream.read()
  if (incoming === null) return false
  connection.recvSinceLastCheck = true
  if (rest.length === 0) {
    connection.rest = incoming
    return true
  }
  const joined = Buffer.concat([rest, incoming.subarray(0, joinBytes)])
  const left = afterDeliveries(joined, reading)
  const taken = joined.length - left.length
  connection.rest =
    taken >= rest.length ? incoming.subarray(taken - rest.length) : Buffer.concat([left, incoming.subarray(joinBytes)])
  return true
}

const frameEnd = 0xce
/** Type, channel and size before a payload. */
const frameHead = 7
/** `basic.deliver`: class 60, method 60. */
const deliver = 0x003c003c
const basicClass = 60
const flags = { contentType: 0x8000, headers: 0x2000, deliveryMode: 0x1000, messageId: 0x0080, type: 0x0020 } as const
const knownFlags = flags.contentType | flags.headers | flags.deliveryMode | flags.messageId | flags.type

/** A message whose content and tag are still to be filled in. */
type Draft = { -readonly [Name in keyof IncomingMessage]: IncomingMessage[Name] }

/** Hands over the delivery that begins there; gives its end, or 0 where none is that can be read here. */
function takeDelivery(buffer: Buffer, start: number, { maxBytes, readers }: Reading): number {
  const methodEnd = endOfFrame(buffer, start, 1)
  if (methodEnd === 0 || uint32(buffer, start + frameHead) !== deliver) return 0
  const onMessage = readers.get(channelAt(buffer, start))
  if (onMessage === undefined || onMessage === 'ended') return 0
  const headerEnd = endOfFrame(buffer, methodEnd, 2)
  if (headerEnd === 0) return 0
  const header = methodEnd + frameHead
  const bodyBytes = uint32(buffer, header + 8)
  if (uint16(buffer, header) !== basicClass || uint32(buffer, header + 4) !== 0) return 0
  const end = bodyBytes === 0 ? headerEnd : endOfFrame(buffer, headerEnd, 3)
  // Also when the body goes on in another frame.
  if (end === 0 || (bodyBytes > 0 && end - headerEnd !== bodyBytes + frameHead + 1)) return 0
  if (end - start > maxBytes) return 0
  const bodyAt = headerEnd + frameHead
  const message = messageAt(buffer, header + 12, headerEnd - 1)
  if (message === undefined) return 0
  const tagAt = start + frameHead + 5 + (buffer[start + frameHead + 4] as number)
  message.deliveryTag = uint32(buffer, tagAt) * 4_294_967_296 + uint32(buffer, tagAt + 4)
  message.content = buffer.subarray(bodyAt, bodyAt + bodyBytes)
  onMessage(message)
  return end
}

/**
 * Where a frame ends that comes for a channel that we read and that is closed; 0 for any other. After the consumer timeout
 * of a cancelled consumer RabbitMQ 4.3 closes the channel, and then delivers on it what it has just taken back. Nobody
 * misses that, it comes again; but amqplib closes the connection for it, with all its other channels.
 */
function endOfLate(buffer: Buffer, start: number, { readers, channels }: Reading): number {
  if (buffer.length < start + frameHead) return 0
  const channel = channelAt(buffer, start)
  if (readers.get(channel) !== 'ended' || (channels[channel] ?? undefined) !== undefined) return 0
  return endOfFrame(buffer, start, buffer[start] as number)
}

/** Where the frame after this one begins; 0 when it is of another type or not there as a whole. */
function endOfFrame(buffer: Buffer, start: number, type: number): number {
  if (buffer.length < start + frameHead + 1 || buffer[start] !== type) return 0
  const end = start + frameHead + uint32(buffer, start + 3)
  return end < buffer.length && buffer[end] === frameEnd ? end + 1 : 0
}

/** The type of a long string in a table. */
const longString = 0x53
const noContent = Buffer.alloc(0)

/** A message with the properties that stand there; undefined for what only amqplib reads. */
function messageAt(buffer: Buffer, start: number, end: number): Draft | undefined {
  const set = uint16(buffer, start)
  if ((set & ~knownFlags) !== 0) return undefined
  let at = start + 2
  let contentType: string | undefined
  let messageId: string | undefined
  let type: string | undefined
  let headers: Record<string, string> | undefined
  if ((set & flags.contentType) !== 0) {
    contentType = shortString(buffer, at)
    at += 1 + (buffer[at] as number)
  }
  if ((set & flags.headers) !== 0) {
    const bytes = uint32(buffer, at)
    if (bytes > 0) headers = tableOfStrings(buffer, at + 4, at + 4 + bytes)
    if (bytes > 0 && headers === undefined) return undefined
    at += 4 + bytes
  }
  if ((set & flags.deliveryMode) !== 0) at += 1
  if ((set & flags.messageId) !== 0) {
    messageId = shortString(buffer, at)
    at += 1 + (buffer[at] as number)
  }
  if ((set & flags.type) !== 0) {
    type = shortString(buffer, at)
    at += 1 + (buffer[at] as number)
  }
  if (at !== end) return undefined
  return { content: noContent, deliveryTag: 0, contentType, messageId, type, headers, texts: headers }
}

function tableOfStrings(buffer: Buffer, start: number, end: number): Record<string, string> | undefined {
  if (isTraceparent(buffer, start) && buffer[start + 12] === longString && endOfValue(buffer, start + 12) === end) {
    return onlyTraceparent(buffer.toString('utf8', start + 17, end))
  }
  const table = Object.create(null) as Record<string, string>
  let at = start
  while (at < end) {
    const valueAt = at + 1 + (buffer[at] as number)
    if (buffer[valueAt] !== longString) return undefined
    const valueEnd = endOfValue(buffer, valueAt)
    if (valueEnd > end) return undefined
    table[shortString(buffer, at)] = buffer.toString('utf8', valueAt + 5, valueEnd)
    at = valueEnd
  }
  return table
}

/** Where a long string ends whose type stands there. */
function endOfValue(buffer: Buffer, at: number): number {
  return at + 5 + uint32(buffer, at + 1)
}

/**
 * The headers of a message with no other one, as most are that have any. An object that is made without a prototype is a hash
 * table to V8: ten times the memory, and each look into it takes ten times as long.
 */
function onlyTraceparent(traceparent: string): Record<string, string> {
  return Object.setPrototypeOf({ traceparent }, null) as Record<string, string>
}

function isTraceparent(buffer: Buffer, at: number): boolean {
  return (
    buffer[at] === 11 &&
    uint32(buffer, at + 1) === 0x74726163 &&
    uint32(buffer, at + 5) === 0x65706172 &&
    uint32(buffer, at + 8) === 0x72656e74
  )
}

function shortString(buffer: Buffer, at: number): string {
  return buffer.toString('utf8', at + 1, at + 1 + (buffer[at] as number))
}

function channelAt(buffer: Buffer, frame: number): number {
  return uint16(buffer, frame + 1)
}

function uint16(buffer: Buffer, at: number): number {
  return ((buffer[at] as number) << 8) | (buffer[at + 1] as number)
}

function uint32(buffer: Buffer, at: number): number {
  return (
    (buffer[at] as number) * 16_777_216 +
    (((buffer[at + 1] as number) << 16) | ((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number))
  )
}
