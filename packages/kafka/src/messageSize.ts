import type { OutgoingRecord } from './driver/driver.js'

/*
 * What messages take in a batch (Kafka protocol guide, "Record Batch"). A varint is five bytes at most.
 */

/** Lengths, deltas and attributes of a record. */
const recordOverhead = 32
/** The lengths of a header's name and value. */
const headerOverhead = 10
/** The batch around the records. */
export const batchOverhead = 61

/** Bytes that the record takes in a batch, at most: a string is counted as if every unit took three bytes. */
export function maxRecordBytes({ key, value, headers }: OutgoingRecord): number {
  let units = key === null ? 0 : key.length
  let bytes = recordOverhead + (value === null ? 0 : value.length)
  for (const name in headers) {
    units += name.length + headers[name]!.length
    bytes += headerOverhead
  }
  return bytes + units * 3
}

/** Bytes of a batch with this record alone, almost to the byte; never too few. */
export function batchBytesOf({ key, value, headers }: OutgoingRecord): number {
  const bytes = batchOverhead + recordOverhead + (value === null ? 0 : value.length) + headerBytesOf(headers)
  return key === null ? bytes : bytes + Buffer.byteLength(key)
}

/** Bytes of these headers in a record; never too few. */
export function headerBytesOf(headers: OutgoingRecord['headers']): number {
  let bytes = 0
  for (const name in headers) bytes += headerOverhead + Buffer.byteLength(name) + Buffer.byteLength(headers[name]!)
  return bytes
}
