import { compressionsAlgorithmsByBitmask } from '@platformatic/kafka'
import type { FetchedRecord } from '../driver.js'
import { DriverError } from '../driverError.js'
import { ByteReader } from './byteReader.js'

/** A transaction that was given up, from its first record on. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** What stands in a partition from an offset on. */
export interface DecodedRecords {
  readonly records: readonly FetchedRecord[]
  readonly nextOffset: number
  /** Of the last batch, to find out whether the log was cut since. */
  readonly leaderEpoch: number
}

/** Places in a record batch of format 2: https://kafka.apache.org/documentation/#recordbatch */
const headBytes = 12
const headerBytes = 61
const codecBits = 0b0111
const logAppendTime = 0b1000
const transactional = 0b1_0000
const control = 0b10_0000
/** The type of a control record, in its key: a commit is 1. */
const abortMarker = 0

interface Batch {
  readonly firstOffset: number
  readonly attributes: number
  readonly firstMs: number
  readonly maxMs: number
  readonly count: number
  readonly body: Buffer
}

/**
 * Reads record batches as a read-committed consumer: control records and what was aborted are left out, but passed. A
 * batch that is cut off at the end comes whole with the next fetch.
 */
export function decodeRecords(
  bytes: Buffer,
  from: number,
  aborted: readonly AbortedTransaction[],
): DecodedRecords | undefined {
  const records: FetchedRecord[] = []
  const left = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  const abortedProducers = new Set<bigint>()
  let nextOffset = from
  let leaderEpoch = -1
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const end = at + headBytes + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    const batch = readHeader(bytes, at, end)
    const lastOffset = batch.firstOffset + bytes.readInt32BE(at + 23)
    while (left.length > 0 && left[0]!.firstOffset <= lastOffset) abortedProducers.add(left.shift()!.producerId)
    const producerId = bytes.readBigInt64BE(at + 43)
    if ((batch.attributes & control) !== 0) {
      if (typeOfControl(batch) === abortMarker) abortedProducers.delete(producerId)
    } else if ((batch.attributes & transactional) === 0 || !abortedProducers.has(producerId)) {
      readRecords(batch, from, records)
    }
    nextOffset = Math.max(nextOffset, lastOffset + 1)
    leaderEpoch = bytes.readInt32BE(at + 12)
    at = end
  }
  return nextOffset > from ? { records, nextOffset, leaderEpoch } : undefined
}

function readHeader(bytes: Buffer, at: number, end: number): Batch {
  const format = bytes.readInt8(at + 16)
  if (format !== 2) {
    throw new DriverError({ kind: 'unsupported', message: `Record batches of format ${format} are not read` })
  }
  const attributes = bytes.readInt16BE(at + 21)
  return {
    firstOffset: Number(bytes.readBigInt64BE(at)),
    attributes,
    firstMs: Number(bytes.readBigInt64BE(at + 27)),
    maxMs: Number(bytes.readBigInt64BE(at + 35)),
    count: bytes.readInt32BE(at + 57),
    body: decompressed(bytes.subarray(at + headerBytes, end), attributes & codecBits),
  }
}

function readRecords(
  { firstOffset, attributes, firstMs, maxMs, count, body }: Batch,
  from: number,
  into: FetchedRecord[],
): void {
  const reader = new ByteReader(body)
  for (let index = 0; index < count; index += 1) {
    const end = reader.varint() + reader.at
    reader.skip(1)
    const deltaMs = reader.varint()
    const offset = firstOffset + reader.varint()
    const key = reader.varintBytes()
    const value = reader.varintBytes()
    const headers = readHeaders(reader)
    reader.at = end
    // A batch is sent whole when the first offset that is wanted lies within.
    if (offset < from) continue
    into.push({
      offset,
      timestampMs: (attributes & logAppendTime) === 0 ? firstMs + deltaMs : maxMs,
      key,
      value,
      headers,
    })
  }
}

function readHeaders(reader: ByteReader): Readonly<Record<string, unknown>> {
  const count = reader.varint()
  if (count === 0) return noHeaders
  const headers: Record<string, unknown> = {}
  for (let index = 0; index < count; index += 1) {
    const name = reader.varintBytes()?.toString() ?? ''
    const value = reader.varintBytes()
    const before = Object.hasOwn(headers, name) ? headers[name] : undefined
    const now =
      before === undefined ? value : Array.isArray(before) ? [...(before as unknown[]), value] : [before, value]
    // By definition and not by assignment: the name may be `__proto__`.
    Object.defineProperty(headers, name, { value: now, enumerable: true, writable: true, configurable: true })
  }
  return headers
}

const noHeaders: Readonly<Record<string, unknown>> = Object.freeze({})

function typeOfControl({ body }: Batch): number {
  const reader = new ByteReader(body)
  reader.varint()
  reader.skip(1)
  reader.varint()
  reader.varint()
  return reader.varintBytes()?.readInt16BE(2) ?? -1
}

function decompressed(body: Buffer, codec: number): Buffer {
  if (codec === 0) return body
  const algorithm = compressionsAlgorithmsByBitmask[codec]
  if (algorithm === undefined || !algorithm.available) {
    throw new DriverError({ kind: 'unsupported', message: `There is no codec for compression ${codec}` })
  }
  const parts = codec === snappy ? javaSnappyBlocks(body) : undefined
  if (parts === undefined) return algorithm.decompressSync(body)
  return Buffer.concat(parts.map((part) => algorithm.decompressSync(part)))
}

const snappy = 2
/** How Java's client frames snappy; others write one bare block. */
const javaSnappyMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const javaSnappyHeaderBytes = 16

function javaSnappyBlocks(body: Buffer): Buffer[] | undefined {
  if (!body.subarray(0, javaSnappyMagic.length).equals(javaSnappyMagic)) return undefined
  const blocks: Buffer[] = []
  for (let at = javaSnappyHeaderBytes; at + 4 <= body.length;) {
    const length = body.readInt32BE(at)
    blocks.push(body.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return blocks
}
