import type { Clock, Logger } from '@posthorn/core/adapter'
import { pauseFor, repeat } from './byDeadline.js'
import { Caution } from './caution.js'
import type { CrashRecord } from './crashRecord.js'
import type { KafkaDriver, OffsetToCommit } from './driver/driver.js'
import { isPassing } from './driver/driverError.js'
import type { PartitionQueue } from './partitionQueue.js'
import { readStarts } from './partitionStart.js'
import type { PartitionStart } from './partitionStart.js'
import type { Turns } from './turns.js'

/** Opens partitions that have just become ours. */
export interface PartitionOpening {
  /**
   * Finds out where the group stands, puts on record that we start there, and only then lets messages out. Gives the
   * error that makes all this useless, if there is one; ends with the signal.
   */
  open(queues: readonly PartitionQueue[], signal: AbortSignal): Promise<unknown>
}

export interface OpeningParts {
  readonly topic: string
  readonly groupId: string
  readonly driver: KafkaDriver
  readonly record: CrashRecord
  readonly turns: Turns
  readonly clock: Clock
  readonly logger: Logger
  readonly commit: (offsets: readonly OffsetToCommit[]) => Promise<void>
  /** Whether the queue may be committed at this moment. */
  readonly isOurs: (queue: PartitionQueue) => boolean
  /** Aborted when nothing is opened any more. */
  readonly ending: AbortSignal
  /** Something may be handed over that could not before. */
  readonly onChange: () => void
}

const backoff = { firstMs: 100, maxMs: 3_000 }
/** A commit that must precede a delivery is not repeated sooner. */
const rewriteMs = 200

export function createPartitionOpening(parts: OpeningParts): PartitionOpening {
  const { driver, record, clock, logger, topic } = parts

  async function attempt(queues: readonly PartitionQueue[], signal: AbortSignal): Promise<void> {
    const startOf = await readStarts(driver, parts, logger)
    if (signal.aborted) return
    const offsets = baseline(queues, startOf)
    if (offsets.length > 0) await parts.commit(offsets)
    if (signal.aborted) return
    for (const queue of queues) {
      const start = startOf(queue.partition)
      queue.open(start.offset, start.starts === undefined ? undefined : cautionFor(queue, start))
      queue.committed = start.offset
    }
  }

  /** Where the process before died, its record stays: it is counted when its head is handed over. */
  function baseline(
    queues: readonly PartitionQueue[],
    startOf: (partition: number) => PartitionStart,
  ): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = []
    for (const { partition } of queues) {
      const { offset, starts } = startOf(partition)
      if (starts === undefined) offsets.push({ partition, offset, metadata: record.running(offset, 0) })
    }
    return offsets
  }

  function cautionFor(queue: PartitionQueue, { offset, starts }: PartitionStart): Caution {
    logger.info(
      { event: 'kafka.crashed', topic, partition: queue.partition, offset, starts },
      'The process that had this partition before did not let go of it: going on one message at a time',
    )
    return new Caution({
      turns: parts.turns,
      record,
      head: offset,
      starts: (starts ?? 0) + 1,
      write: () => write(queue),
      onChange: parts.onChange,
    })
  }

  async function write(queue: PartitionQueue): Promise<boolean> {
    const { partition, mark } = queue
    try {
      if (!parts.isOurs(queue)) throw new Error('not ours')
      await parts.commit([{ partition, offset: mark!, metadata: queue.metadata(false) }])
      queue.committed = mark
      return true
    } catch {
      await pauseFor(rewriteMs, { clock, deadline: Infinity, signal: parts.ending })
      return false
    }
  }

  return {
    async open(queues, signal) {
      const options = { clock, deadline: Infinity, signal, backoff, isPassing }
      const outcome = await repeat(() => attempt(queues, signal), options)
      return 'error' in outcome && !outcome.late ? outcome.error : undefined
    },
  }
}
