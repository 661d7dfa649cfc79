import type { Clock, Logger } from '@posthorn/core/adapter'
import { pauseFor, repeat } from './byDeadline.js'
import { Caution } from './caution.js'
import type { CrashRecord } from './crashRecord.js'
import type { KafkaDriver, OffsetToCommit } from './driver/driver.js'
import { isPassing } from './driver/driverError.js'
import type { PartitionQueue } from './partitionQueue.js'
import type { Counts } from './counts.js'
import { readStarts } from './partitionStart.js'
import type { GroupStarts, PartitionStart, StartPolicy } from './partitionStart.js'
import type { Turns } from './turns.js'

/** Opens partitions that have just become ours. */
export interface PartitionOpening {
  /**
   * Finds out where the group stands, puts on record that we start there, and only then lets messages out. Ends with the
   * signal, which gives nothing.
   */
  open(queues: readonly PartitionQueue[], signal: AbortSignal): Promise<Opened | undefined>
}

/** What came of it. */
export type Opened =
  /** Of these partitions the group's offsets do not exist; all others are open. */
  | { readonly lost: readonly string[] }
  /** Makes all this useless. */
  | { readonly error: unknown }

export interface OpeningParts {
  readonly topic: string
  readonly groupId: string
  readonly driver: KafkaDriver
  readonly record: CrashRecord
  readonly policy: StartPolicy
  readonly counts: Counts
  readonly turns: Turns
  readonly clock: Clock
  readonly logger: Logger
  readonly commit: (offsets: readonly OffsetToCommit[]) => Promise<void>
  /** The next fetch begins where the queue says. */
  readonly seek: (queue: PartitionQueue) => void
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
  const { driver, record, policy, clock, logger, topic, groupId } = parts

  async function attempt(queues: readonly PartitionQueue[], signal: AbortSignal): Promise<Opened | undefined> {
    await putOnRecord(queues.filter((queue) => isDoubtful(queue) && queue.stood !== undefined))
    const starts = await readStarts(driver, { ...parts, stood: knownOf(queues) })
    if (signal.aborted) return undefined
    const found = queues.map((queue) => ({ queue, start: starts.startOf(queue.partition, isDoubtful(queue)) }))
    const known = found.flatMap(({ queue, start }) => ('text' in start ? [] : [{ queue, start }]))
    const lost = found.flatMap(({ queue, start }) => ('text' in start ? [{ queue, start }] : []))
    for (const { queue, start } of lost) queue.stood = start.stood
    const offsets = baseline(known, starts)
    if (offsets.length > 0) await parts.commit(offsets)
    if (signal.aborted) return undefined
    const unsaid = lost.filter(({ queue }) => isDoubtful(queue) || !starts.isCommitted(queue.partition))
    await putOnRecord(unsaid.map(({ queue }) => queue))
    if (signal.aborted) return undefined
    for (const { queue, start } of known) {
      const isElsewhere = queue.open(start.offset, start.starts === undefined ? undefined : cautionFor(queue, start))
      queue.committed = start.offset
      // What the client has fetched since it lost its way was not taken.
      if (isElsewhere || start.seeks || queue.isReset) parts.seek(queue)
    }
    return { lost: lost.map(({ start }) => start.text) }
  }

  /** kafkajs commits "the beginning" in place of what it does not find; and a number alone can mean something again. */
  async function putOnRecord(queues: readonly PartitionQueue[]): Promise<void> {
    if (queues.length === 0) return
    const metadata = policy.lostOffsets === 'fail' ? record.lost : record.clean
    await parts.commit(queues.map(({ partition, stood }) => ({ partition, offset: stood!, metadata })))
    for (const queue of queues) queue.isOnRecord = true
  }

  /** Where the process before died, its record stays: it is counted when its head is handed over. */
  function baseline(
    known: readonly { readonly queue: PartitionQueue; readonly start: PartitionStart }[],
    starts: GroupStarts,
  ): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = []
    const mine = new Set<number>()
    for (const { queue, start } of known) {
      const { partition } = queue
      mine.add(partition)
      if (start.starts !== undefined) continue
      offsets.push({ partition, offset: start.offset, metadata: record.running(start.offset, 0) })
    }
    for (const [partition, offset] of starts.baseline) {
      if (!mine.has(partition)) offsets.push({ partition, offset, metadata: record.clean })
    }
    return offsets
  }

  function cautionFor(queue: PartitionQueue, { offset, starts }: PartitionStart): Caution {
    parts.counts.cautions += 1
    parts.turns.begin()
    logger.info(
      { event: 'kafka.crashed', topic, groupId, partition: queue.partition, offset, starts },
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

  async function write(queue: PartitionQueue): Promise<number | undefined> {
    const { partition, mark } = queue
    try {
      if (!parts.isOurs(queue)) throw new Error('not ours')
      await parts.commit([{ partition, offset: mark!, metadata: queue.metadata(false) }])
      queue.committed = mark
      return mark
    } catch {
      await pauseFor(rewriteMs, { clock, deadline: Infinity, signal: parts.ending })
      return undefined
    }
  }

  return {
    async open(queues, signal) {
      const options = { clock, deadline: Infinity, signal, backoff, isPassing }
      const outcome = await repeat(() => attempt(queues, signal), options)
      if ('value' in outcome) return outcome.value
      return outcome.late ? undefined : { error: outcome.error }
    },
  }
}

/** The group's record may still say that all is well. */
function isDoubtful({ isReset, isOnRecord }: PartitionQueue): boolean {
  return isReset && !isOnRecord
}

function knownOf(queues: readonly PartitionQueue[]): ReadonlyMap<number, number> {
  return new Map(queues.flatMap(({ partition, stood }) => (stood === undefined ? [] : [[partition, stood]])))
}
