import kafkajs from 'kafkajs'
import type { FetchedRecord } from '../driver.js'
import { RecordReader, appendRecords } from './fetchedRecords.js'
import type { HeaderMemory } from './fetchedRecords.js'

/** The fetch request whose answer is read here: what kafkajs asks every broker since 2.3 for. */
export const fetchVersion = 11

/**
 * All records of a partition in one answer, as one message: kafkajs sees its offset, which is that of the last record, and
 * never the records. A control record where all of them are none for us, so that kafkajs passes them.
 */
export interface FetchedTogether {
  readonly offset: string
  readonly isControlRecord: boolean
  readonly batchContext: object
  readonly records: readonly FetchedRecord[]
}

/** What kafkajs makes of an answer, with one message for each partition. */
export interface FetchResponse {
  readonly throttleTime: 0
  readonly clientSideThrottleTime: number
  readonly errorCode: number
  readonly sessionId: number
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[]
}

export interface FetchedPartition {
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: string
  readonly lastStableOffset: string
  readonly lastStartOffset: string
  /** Left out already. */
  readonly abortedTransactions: readonly never[]
  readonly preferredReadReplica: number
  readonly messages: readonly FetchedTogether[]
}

interface Aborted {
  readonly producerId: number
  readonly firstOffset: number
}

/** The format of batches since Kafka 0.11; older ones are left to kafkajs. */
const magic = 2
const magicOffset = 16
/** First offset and length, which says what follows. */
const batchPrefixBytes = 12
const compressionMask = 0x07
const appendTimeFlag = 0x08
const transactionalFlag = 0x10
const controlFlag = 0x20

/** Reads an answer; throws on anything that is not as we know it, before it has given anything away. */
export async function readFetchResponse(payload: Buffer, memory: HeaderMemory): Promise<FetchResponse> {
  const reader = new RecordReader(payload, 0)
  const clientSideThrottleTime = reader.int32()
  const errorCode = reader.int16()
  const sessionId = reader.int32()
  const responses: { topicName: string; partitions: FetchedPartition[] }[] = []
  for (let topics = reader.int32(); topics > 0; topics -= 1) {
    const length = reader.int16()
    const topicName = payload.toString('utf8', reader.at, reader.at + length)
    reader.at += length
    const partitions: FetchedPartition[] = []
    for (let left = reader.int32(); left > 0; left -= 1) partitions.push(await readPartition(reader, memory))
    responses.push({ topicName, partitions })
  }
  if (reader.at !== payload.length) throw new RangeError('The answer to a fetch does not end where it should')
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses }
}

async function readPartition(reader: RecordReader, memory: HeaderMemory): Promise<FetchedPartition> {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = String(reader.int64())
  const lastStableOffset = String(reader.int64())
  const lastStartOffset = String(reader.int64())
  const aborted: Aborted[] = []
  for (let left = reader.int32(); left > 0; left -= 1) {
    aborted.push({ producerId: reader.int64(), firstOffset: reader.int64() })
  }
  const preferredReadReplica = reader.int32()
  const size = reader.int32()
  const start = reader.at
  reader.at += Math.max(0, size)
  const messages = size > 0 ? await readBatches(reader.bytes.subarray(start, reader.at), aborted, memory) : []
  return {
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    lastStartOffset,
    abortedTransactions: [],
    preferredReadReplica,
    messages,
  }
}

/** The last batch may be cut off, since the broker counts bytes: it comes again with the next fetch. */
async function readBatches(
  bytes: Buffer,
  aborted: readonly Aborted[],
  memory: HeaderMemory,
): Promise<readonly FetchedTogether[]> {
  const records: FetchedRecord[] = []
  const giveUp = createAbortedFilter(aborted)
  let last = -1
  for (let at = 0; at + batchPrefixBytes <= bytes.length;) {
    const end = at + batchPrefixBytes + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    const batch = readBatchHeader(bytes, at)
    last = batch.lastOffset
    if (!giveUp(batch)) {
      const from = batch.codec === 0 ? new RecordReader(bytes.subarray(0, end), batch.recordsAt) : undefined
      const reader = from ?? new RecordReader(await decompress(batch.codec, bytes.subarray(batch.recordsAt, end)), 0)
      appendRecords(reader, batch, { records, memory })
    }
    at = end
  }
  if (last < 0) return []
  return [{ offset: String(last), isControlRecord: records.length === 0, batchContext: {}, records }]
}

interface BatchHeader {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly codec: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  /** Of a control batch. */
  readonly isAbort: boolean
  readonly producerId: number
  readonly firstTimestampMs: number
  readonly appendedAtMs: number | undefined
  readonly count: number
  readonly recordsAt: number
}

function readBatchHeader(bytes: Buffer, start: number): BatchHeader {
  if (bytes[start + magicOffset] !== magic) throw new RangeError('A batch of an older format')
  const reader = new RecordReader(bytes, start)
  const firstOffset = reader.int64()
  reader.at = start + magicOffset + 1 + 4 // the checksum was verified by the broker, and TCP has one of its own
  const attributes = reader.int16()
  const lastOffset = firstOffset + reader.int32()
  const firstTimestampMs = reader.int64()
  const maxTimestampMs = reader.int64()
  const producerId = reader.int64()
  reader.at += 2 + 4 // epoch and sequence are for the broker
  const count = reader.int32()
  const isControl = (attributes & controlFlag) !== 0
  return {
    firstOffset,
    lastOffset,
    codec: attributes & compressionMask,
    isTransactional: (attributes & transactionalFlag) !== 0,
    isControl,
    isAbort: isControl && count > 0 && isAbortMarker(new RecordReader(bytes, reader.at)),
    producerId,
    firstTimestampMs,
    appendedAtMs: (attributes & appendTimeFlag) === 0 ? undefined : maxTimestampMs,
    count,
    recordsAt: reader.at,
  }
}

/** The key of a control record is its version and its type; type 0 is an abort. */
function isAbortMarker(reader: RecordReader): boolean {
  reader.varint()
  reader.at += 1
  reader.varint()
  reader.varint()
  const key = reader.chunk()
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0
}

/** Says of each batch, in order, whether nobody is to see it: a control batch, or one of an aborted transaction. */
function createAbortedFilter(aborted: readonly Aborted[]): (batch: BatchHeader) => boolean {
  const waiting = [...aborted].sort((one, other) => one.firstOffset - other.firstOffset)
  const open = new Set<number>()
  return ({ lastOffset, isControl, isAbort, isTransactional, producerId }) => {
    while (waiting.length > 0 && waiting[0]!.firstOffset <= lastOffset) open.add(waiting.shift()!.producerId)
    if (isAbort) open.delete(producerId)
    return isControl || (isTransactional && open.has(producerId))
  }
}

interface Codec {
  decompress(bytes: Buffer): Promise<Buffer>
}

/** Throws kafkajs' own error where there is no such codec. */
async function decompress(codec: number, bytes: Buffer): Promise<Buffer> {
  const codecs = kafkajs.CompressionCodecs as unknown as Readonly<Record<number, (() => Codec) | undefined>>
  const create = codecs[codec]
  if (create === undefined) throw new RangeError(`There is no codec ${codec}`)
  return create().decompress(bytes)
}
