import type { FetchedRecord } from '../driver.js'

/*
 * Record batches of magic 2 (Kafka protocol guide, "Record Batch"), read where they lie: of a record, only where it is and
 * its offset and time are found out at first; key, value and headers when somebody asks. kafkajs makes about a dozen
 * objects for each record before anybody has seen it, and they grow old while they wait.
 */

/** Reads numbers one after the other; every read throws a `RangeError` beyond the end. */
export class RecordReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes
    this.at = at
  }

  int8(): number {
    const value = this.bytes.readInt8(this.at)
    this.at += 1
    return value
  }

  int16(): number {
    const value = this.bytes.readInt16BE(this.at)
    this.at += 2
    return value
  }

  int32(): number {
    const value = this.bytes.readInt32BE(this.at)
    this.at += 4
    return value
  }

  /** Offsets and times stay far below the largest safe integer. */
  int64(): number {
    const high = this.bytes.readInt32BE(this.at)
    const low = this.bytes.readUInt32BE(this.at + 4)
    this.at += 8
    return high * 0x1_0000_0000 + low
  }

  /** Zigzag, of 32 or 64 bits. */
  varint(): number {
    const { bytes } = this
    let byte = bytes[this.at++]!
    let value = byte & 0x7f
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    let scale = 0x80
    do {
      if (this.at >= bytes.length || scale > 2 ** 63) throw new RangeError('A number goes on beyond its end')
      byte = bytes[this.at++]!
      value += (byte & 0x7f) * scale
      scale *= 0x80
    } while (byte >= 0x80)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** A length and so many bytes; null for -1. The same memory, not a copy. */
  chunk(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.at
    this.at += length
    if (this.at > this.bytes.length) throw new RangeError('A field goes on beyond its end')
    return this.bytes.subarray(start, this.at)
  }
}

/** Headers that were read last: most messages of a topic have the same. */
export interface HeaderMemory {
  bytes: Buffer
  start: number
  end: number
  headers: Readonly<Record<string, unknown>>
}

const noHeaders: Readonly<Record<string, unknown>> = Object.freeze({})

export function createHeaderMemory(): HeaderMemory {
  // One byte: the number of headers, zero.
  return { bytes: Buffer.from([0]), start: 0, end: 1, headers: noHeaders }
}

/** A record that knows where its fields are. */
class LazyRecord implements FetchedRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly size: number
  readonly #bytes: Buffer
  /** Where the key begins. */
  readonly #at: number
  readonly #memory: HeaderMemory

  constructor(
    fields: { offset: number; timestampMs: number; at: number; end: number },
    bytes: Buffer,
    memory: HeaderMemory,
  ) {
    this.offset = fields.offset
    this.timestampMs = fields.timestampMs
    this.size = fields.end - fields.at
    this.#bytes = bytes
    this.#at = fields.at
    this.#memory = memory
  }

  get key(): Buffer | null {
    return new RecordReader(this.#bytes, this.#at).chunk()
  }

  get value(): Buffer | null {
    return this.#reader(1).chunk()
  }

  get headers(): Readonly<Record<string, unknown>> {
    const reader = this.#reader(2)
    return readHeaders(reader, this.#at + this.size, this.#memory)
  }

  #reader(fields: number): RecordReader {
    const reader = new RecordReader(this.#bytes, this.#at)
    for (let field = 0; field < fields; field += 1) {
      const length = reader.varint()
      if (length > 0) reader.at += length
    }
    return reader
  }
}

function readHeaders(reader: RecordReader, end: number, memory: HeaderMemory): Readonly<Record<string, unknown>> {
  const { bytes, at: start } = reader
  if (isSame(memory, bytes, start, end)) return memory.headers
  const headers: Record<string, unknown> = {}
  for (let left = reader.varint(); left > 0; left -= 1) {
    const name = reader.chunk()!.toString()
    const value = reader.chunk()
    const before = headers[name]
    // As kafkajs gives names that are repeated.
    if (!Object.hasOwn(headers, name)) {
      Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
    } else if (Array.isArray(before)) before.push(value)
    else headers[name] = [before, value]
  }
  memory.bytes = bytes
  memory.start = start
  memory.end = end
  memory.headers = headers
  return headers
}

function isSame({ bytes, start, end }: HeaderMemory, others: Buffer, otherStart: number, otherEnd: number): boolean {
  const length = end - start
  if (length !== otherEnd - otherStart) return false
  for (let index = 0; index < length; index += 1) if (bytes[start + index] !== others[otherStart + index]) return false
  return true
}

/** What all records of a batch share. */
export interface BatchFacts {
  readonly firstOffset: number
  readonly firstTimestampMs: number
  /** Of a topic that has the broker's time: that of all records. */
  readonly appendedAtMs: number | undefined
  readonly count: number
}

/** Appends the records that lie from here on, not read yet. */
export function appendRecords(
  reader: RecordReader,
  { firstOffset, firstTimestampMs, appendedAtMs, count }: BatchFacts,
  to: { readonly records: FetchedRecord[]; readonly memory: HeaderMemory },
): void {
  for (let index = 0; index < count; index += 1) {
    const length = reader.varint()
    const end = reader.at + length
    if (end > reader.bytes.length) throw new RangeError('A record goes on beyond its batch')
    reader.at += 1 // attributes: none are defined
    const delta = reader.varint()
    const timestampMs = appendedAtMs ?? firstTimestampMs + delta
    const offset = firstOffset + reader.varint()
    to.records.push(new LazyRecord({ offset, timestampMs, at: reader.at, end }, reader.bytes, to.memory))
    reader.at = end
  }
}
