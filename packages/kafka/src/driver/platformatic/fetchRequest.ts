import { Writer, createAPI } from '@platformatic/kafka'
import type { API, Reader } from '@platformatic/kafka'
import { ByteReader } from './byteReader.js'
import type { AbortedTransaction } from './fetchedRecords.js'

/** Where to begin with a partition. */
export interface FetchFrom {
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  /** Of the record before; -1 when it was not read. */
  readonly lastEpoch: number
}

export interface FetchWanted {
  readonly topicId: string
  readonly partitions: readonly FetchFrom[]
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly maxPartitionBytes: number
}

/** What a broker answers about one partition. The records are still as they came. */
export interface FetchedPartition {
  readonly partition: number
  readonly errorCode: number
  readonly logStartOffset: number
  readonly aborted: readonly AbortedTransaction[]
  readonly records: Buffer | null
  /** The log was cut after an unclean election: it ends here for what we have read. */
  cutAt?: number
}

export interface FetchAnswer {
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
}

const fetchKey = 1
/** The first that names topics by id, so that a topic that was made anew is not taken for the one before. */
const fetchVersion = 13
const readCommitted = 1
const noReplica = -1
const noSession = { id: 0, epoch: -1 }

/**
 * One topic, without a fetch session. Not the client's own request: in its 1.x line the answer's optional fields, which
 * come when a leader has moved, shift everything behind them.
 */
export const fetchApi: API<[FetchWanted], FetchAnswer> = createAPI<[FetchWanted], FetchAnswer>(
  fetchKey,
  fetchVersion,
  writeRequest,
  readAnswer,
)

function writeRequest({ topicId, partitions, maxWaitMs, maxBytes, maxPartitionBytes }: FetchWanted): Writer {
  return Writer.create()
    .appendInt32(noReplica)
    .appendInt32(maxWaitMs)
    .appendInt32(1)
    .appendInt32(maxBytes)
    .appendInt8(readCommitted)
    .appendInt32(noSession.id)
    .appendInt32(noSession.epoch)
    .appendArray([topicId], (topic, id) => {
      topic.appendUUID(id).appendArray([...partitions], (writer, { partition, offset, leaderEpoch, lastEpoch }) => {
        writer
          .appendInt32(partition)
          .appendInt32(leaderEpoch)
          .appendInt64(BigInt(offset))
          .appendInt32(lastEpoch)
          .appendInt64(-1n)
          .appendInt32(maxPartitionBytes)
      })
    })
    .appendArray([], () => {})
    .appendString('')
    .appendTaggedFields()
}

function readAnswer(_correlationId: number, _key: number, _version: number, { buffer, position }: Reader): FetchAnswer {
  const reader = new ByteReader(buffer.slice(position))
  reader.skip(4)
  const errorCode = reader.int16()
  reader.skip(4)
  const topics = reader.compactArray(() => {
    reader.skip(16)
    const partitions = reader.compactArray(() => readPartition(reader))
    reader.tagged()
    return partitions
  })
  return { errorCode, partitions: topics.flat() }
}

function readPartition(reader: ByteReader): FetchedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  reader.skip(16)
  const logStartOffset = reader.offset()
  const aborted = reader.compactArray(() => {
    const transaction = { producerId: reader.int64(), firstOffset: reader.offset() }
    reader.tagged()
    return transaction
  })
  reader.skip(4)
  const fetched: FetchedPartition = { partition, errorCode, logStartOffset, aborted, records: reader.compactBytes() }
  reader.tagged({
    0: (diverging) => {
      diverging.skip(4)
      fetched.cutAt = diverging.offset()
    },
  })
  return fetched
}
