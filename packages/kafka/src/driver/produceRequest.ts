import type { BatchCodec } from '../compression.js'
import type { OutgoingBatch } from './driver.js'
import { batchHeaderBytes, maxRecordsBytes, writeBatchHeader, writeRecords } from './recordBatch.js'

/** Versions of the produce request that have this layout, and this shape of answer. */
export const produceVersions: { readonly least: number; readonly most: number } = { least: 3, most: 7 }

/** Null as the id of a transaction, acks, timeout, one topic's count and length, one partition's count, number, size. */
const fixedBytes = 2 + 2 + 4 + 4 + 2 + 4 + 4 + 4
const fromAllReplicas = -1

/** The body of a produce request for one partition, acks from all in-sync replicas. */
export async function encodeProduce(
  batch: OutgoingBatch,
  timeoutMs: number,
  codec?: Pick<BatchCodec, 'number' | 'compress'>,
): Promise<Buffer> {
  const { records } = batch
  if (codec === undefined) return encodePlain(batch, timeoutMs)
  const plain = Buffer.allocUnsafeSlow(maxRecordsBytes(records))
  const packed = await codec.compress(plain.subarray(0, writeRecords(plain, 0, records)))
  const { body, start } = allocate(batch, packed.length)
  body.set(packed, start + batchHeaderBytes)
  return finish({ body, start, batch, timeoutMs, end: start + batchHeaderBytes + packed.length, codec: codec.number })
}

function encodePlain(batch: OutgoingBatch, timeoutMs: number): Buffer {
  const { body, start } = allocate(batch, maxRecordsBytes(batch.records))
  const end = writeRecords(body, start + batchHeaderBytes, batch.records)
  return finish({ body, start, batch, timeoutMs, end, codec: 0 })
}

function allocate({ topic }: OutgoingBatch, recordsBytes: number): { body: Buffer; start: number } {
  const start = fixedBytes + Buffer.byteLength(topic)
  return { body: Buffer.allocUnsafeSlow(start + batchHeaderBytes + recordsBytes), start }
}

interface Finishing {
  readonly body: Buffer
  /** Where the batch starts. */
  readonly start: number
  readonly end: number
  readonly batch: OutgoingBatch
  readonly timeoutMs: number
  readonly codec: number
}

function finish({ body, start, end, batch, timeoutMs, codec }: Finishing): Buffer {
  writeBatchHeader(body, start, { records: batch.records, end, codec })
  let at = body.writeInt16BE(-1, 0)
  at = body.writeInt16BE(fromAllReplicas, at)
  at = body.writeInt32BE(timeoutMs, at)
  at = body.writeInt32BE(1, at)
  at = body.writeInt16BE(Buffer.byteLength(batch.topic), at)
  at += body.write(batch.topic, at)
  at = body.writeInt32BE(1, at)
  at = body.writeInt32BE(batch.partition, at)
  body.writeInt32BE(end - start, at)
  return body.subarray(0, end)
}
