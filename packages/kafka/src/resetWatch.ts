import type { Logger } from '@posthorn/core/adapter'
import type { FetchedBatch } from './driver/driver.js'
import type { PartitionQueue } from './partitionQueue.js'
import type { StartPolicy } from './partitionStart.js'

/** What a batch is, beside what came of its partition before. */
export type Verdict =
  /** It goes on where that ended. */
  | 'follows'
  /** The offset to read was lost, and nobody may go on before it is decided where. */
  | 'refused'
  /** Messages are missing before it. */
  | 'skips'
  /** Its offsets begin anew. */
  | 'anew'

/** Keeps offsets that begin anew from being taken for ones that came before. */
export interface ResetWatch {
  /** The client does not find the offset to read, and goes on somewhere else. */
  tell(partition: number): void
  /** Whether what comes next will be refused. */
  refuses(partition: number): boolean
  /** What was told of the partition does not count any more. */
  forget(partition: number): void
  judge(queue: PartitionQueue, batch: FetchedBatch): Verdict
}

export interface ResetWatchParts {
  readonly topic: string
  readonly groupId: string
  readonly policy: StartPolicy
  readonly logger: Logger
}

export function createResetWatch({ topic, groupId, policy, logger }: ResetWatchParts): ResetWatch {
  const told = new Set<number>()
  return {
    tell: (partition) => void told.add(partition),
    refuses: (partition) => told.has(partition) && policy.lostOffsets !== 'earliest',
    forget: (partition) => void told.delete(partition),
    judge(queue, batch) {
      const { partition } = batch
      const found = firstOf(batch)
      const wasTold = told.delete(partition)
      const isBehind = found < (queue.mark ?? 0) || (wasTold && found < (queue.position ?? 0))
      if (!isBehind && !wasTold) return 'follows'
      const { lostOffsets } = policy
      const facts = { topic, groupId, partition, expected: queue.position, found, lostOffsets }
      logger.error({ event: 'kafka.reset', ...facts }, 'The offset to read does not exist, or not any more')
      if (lostOffsets !== 'earliest') return 'refused'
      return isBehind ? 'anew' : 'skips'
    },
  }
}

/** Where a batch begins. */
export function firstOf({ records, nextOffset }: FetchedBatch): number {
  return records[0]?.offset ?? nextOffset
}
