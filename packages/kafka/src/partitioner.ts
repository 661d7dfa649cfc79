import type { Settings } from './options.js'
import { partitionOfKey } from './murmur2.js'

/** Chooses partitions for one topic. */
export interface TopicPartitioner {
  /** From 0 up to `partitions`; throws a `RangeError` when a partitioner of the user chose another. */
  partitionOf(message: Partitioned, partitions: number): number
  /** The batch of this partition leaves: messages without a key may go elsewhere. */
  onBatch(partition: number): void
}

/** What of a message matters for its partition. */
export interface Partitioned {
  readonly key: string | Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

export interface TopicPartitionerParts {
  readonly topic: string
  readonly partitioner: Settings['partitioner']
  /** Whether sends to the partition fail at present. */
  readonly isFailing: (partition: number) => boolean
}

/**
 * A key is hashed as Java's client does it. Messages without a key stay with one partition until its batch leaves
 * (KIP-480), or take turns; they do not go where sends fail, as long as there are others.
 */
export function createTopicPartitioner({ topic, partitioner, isFailing }: TopicPartitionerParts): TopicPartitioner {
  const partitionOf = createKeyHash()
  // Processes that start together must not all begin with the first partition.
  let next = Math.floor(Math.random() * 1_000)
  let partitionCount = 0

  function withoutKey(partitions: number): number {
    partitionCount = partitions
    for (let skipped = 0; skipped < partitions && isFailing(next % partitions); skipped += 1) next += 1
    const partition = next % partitions
    if (partitioner === 'roundRobin') next += 1
    return partition
  }

  function chosen({ key, headers }: Partitioned, partitions: number): number | undefined {
    if (typeof partitioner !== 'function') return undefined
    const partition = partitioner({ topic, partitions, key: key?.toString(), headers })
    if (partition === undefined || (Number.isInteger(partition) && partition >= 0 && partition < partitions)) {
      return partition
    }
    throw new RangeError(`The partitioner chose ${String(partition)} of ${partitions} partitions of topic "${topic}"`)
  }

  return {
    partitionOf(message, partitions) {
      const partition = chosen(message, partitions)
      if (partition !== undefined) return partition
      return message.key === null ? withoutKey(partitions) : partitionOf(message.key, partitions)
    },
    onBatch(partition) {
      if (partitioner !== 'roundRobin' && partitionCount > 0 && next % partitionCount === partition) next += 1
    },
  }
}

/** In one buffer for all keys: a buffer for each would cost more than the hash. */
function createKeyHash(): (key: string | Buffer, partitions: number) => number {
  const scratch = Buffer.allocUnsafeSlow(1_024)
  return (key, partitions) => {
    if (typeof key !== 'string') return partitionOfKey(key, partitions)
    if (key.length * 3 > scratch.length) return partitionOfKey(Buffer.from(key), partitions)
    return partitionOfKey(scratch, partitions, scratch.write(key))
  }
}
