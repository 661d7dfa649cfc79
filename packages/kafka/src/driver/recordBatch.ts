import type { OutgoingRecord } from './driver.js'
import { maxRecordBytes } from '../messageSize.js'
import { crc32c } from './crc32c.js'

/*
 * Record batches of magic 2 (Kafka protocol guide, "Record Batch"), written into one buffer; kafkajs makes several for
 * every record. Lengths are signed 32-bit numbers there, so what is larger is refused long before.
 */

/** From the base offset up to the number of records. */
export const batchHeaderBytes = 61
const crcOffset = 17
const attributesOffset = 21
const magic = 2
const none = -1

/** Room that the records take, at most. */
export function maxRecordsBytes(records: readonly OutgoingRecord[]): number {
  let bytes = 0
  for (const record of records) bytes += maxRecordBytes(record)
  return bytes
}

/** Writes the records, without the batch around them, and returns where they end. */
export function writeRecords(buffer: Buffer, start: number, records: readonly OutgoingRecord[]): number {
  const firstTimestamp = records.length === 0 ? none : records[0]!.timestampMs
  let at = start
  for (let index = 0; index < records.length; index += 1) {
    at = writeRecord(buffer, at, { record: records[index]!, index, firstTimestamp })
  }
  return at
}

export interface BatchFacts {
  readonly records: readonly OutgoingRecord[]
  /** Where the records end, compressed or not; they begin `batchHeaderBytes` after the batch. */
  readonly end: number
  /** Kafka's number of the codec. */
  readonly codec: number
}

/** Writes what stands before the records, which are there already: the checksum covers them. */
export function writeBatchHeader(buffer: Buffer, start: number, { records, end, codec }: BatchFacts): void {
  const [first, max] = timestampsOf(records)
  let at = writeInt64(buffer, start, 0)
  at = buffer.writeInt32BE(end - at - 4, at)
  at = buffer.writeInt32BE(none, at) // partition leader epoch: the broker's
  at = buffer.writeInt8(magic, at)
  at = buffer.writeInt16BE(codec, at + 4)
  at = buffer.writeInt32BE(records.length - 1, at)
  at = writeInt64(buffer, at, first)
  at = writeInt64(buffer, at, max)
  // Neither idempotent nor transactional: no producer id, epoch and sequence.
  at = writeInt64(buffer, at, none)
  at = buffer.writeInt16BE(none, at)
  at = buffer.writeInt32BE(none, at)
  buffer.writeInt32BE(records.length, at)
  buffer.writeUInt32BE(crc32c(buffer, start + attributesOffset, end), start + crcOffset)
}

function timestampsOf(records: readonly OutgoingRecord[]): [number, number] {
  let max = none
  for (const { timestampMs } of records) if (timestampMs > max) max = timestampMs
  return [records.length === 0 ? none : records[0]!.timestampMs, max]
}

interface Placed {
  readonly record: OutgoingRecord
  readonly index: number
  readonly firstTimestamp: number
}

function writeRecord(buffer: Buffer, start: number, { record, index, firstTimestamp }: Placed): number {
  const { key, value, headers } = record
  const delta = record.timestampMs - firstTimestamp
  let count = 0
  let headerBytes = 0
  for (const name in headers) {
    count += 1
    headerBytes += sizeOfText(name) + sizeOfText(headers[name]!)
  }
  const length =
    1 +
    sizeOfVarlong(delta) +
    sizeOfVarint(index) +
    sizeOfKey(key) +
    sizeOfBytes(value) +
    sizeOfVarint(count) +
    headerBytes
  let at = writeVarint(buffer, start, length)
  buffer[at] = 0 // attributes
  at = writeVarlong(buffer, at + 1, delta)
  at = writeVarint(buffer, at, index)
  at = typeof key === 'string' ? writeText(buffer, at, key) : writeBytes(buffer, at, key)
  at = writeBytes(buffer, at, value)
  at = writeVarint(buffer, at, count)
  for (const name in headers) {
    at = writeText(buffer, at, name)
    at = writeText(buffer, at, headers[name]!)
  }
  return at
}

function sizeOfKey(key: string | Buffer | null): number {
  return typeof key === 'string' ? sizeOfText(key) : sizeOfBytes(key)
}

function sizeOfBytes(bytes: Buffer | null): number {
  return bytes === null ? 1 : sizeOfVarint(bytes.length) + bytes.length
}

function writeBytes(buffer: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(buffer, at, none)
  const start = writeVarint(buffer, at, bytes.length)
  buffer.set(bytes, start)
  return start + bytes.length
}

function sizeOfText(text: string): number {
  const length = Buffer.byteLength(text)
  return sizeOfVarint(length) + length
}

function writeText(buffer: Buffer, at: number, text: string): number {
  const length = Buffer.byteLength(text)
  const start = writeVarint(buffer, at, length)
  return start + buffer.write(text, start)
}

/** Signed numbers alternate with unsigned ones, so that small ones stay small: 0, -1, 1, -2. */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0
}

function sizeOfVarint(value: number): number {
  const bits = zigzag(value)
  return bits < 0x80 ? 1 : bits < 0x4000 ? 2 : bits < 0x20_0000 ? 3 : bits < 0x1000_0000 ? 4 : 5
}

function writeVarint(buffer: Buffer, start: number, value: number): number {
  let bits = zigzag(value)
  let at = start
  while (bits > 0x7f) {
    buffer[at++] = (bits & 0x7f) | 0x80
    bits >>>= 7
  }
  buffer[at] = bits
  return at + 1
}

const int32 = 0x7fff_ffff

function sizeOfVarlong(value: number): number {
  if (value <= int32 && value >= -int32) return sizeOfVarint(value)
  let size = 0
  for (let bits = zigzag64(value); bits > 0n || size === 0; bits >>= 7n) size += 1
  return size
}

function writeVarlong(buffer: Buffer, start: number, value: number): number {
  if (value <= int32 && value >= -int32) return writeVarint(buffer, start, value)
  let bits = zigzag64(value)
  let at = start
  for (; bits > 0x7fn; bits >>= 7n) buffer[at++] = Number(bits & 0x7fn) | 0x80
  buffer[at] = Number(bits)
  return at + 1
}

function zigzag64(value: number): bigint {
  const whole = BigInt(value)
  return whole >= 0n ? whole << 1n : (-whole << 1n) - 1n
}

function writeInt64(buffer: Buffer, at: number, value: number): number {
  return buffer.writeBigInt64BE(BigInt(value), at)
}
