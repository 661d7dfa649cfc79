import type { Logger } from '@posthorn/core/adapter'
import type { CommittedOffset, KafkaDriver, LogOffsets } from './driver/driver.js'
import type { CrashRecord } from './crashRecord.js'

/** Where a group begins with a partition. */
export interface PartitionStart {
  readonly offset: number
  /** How often processes have started on the message there and died; undefined when the one before let go alive. */
  readonly starts: number | undefined
}

/**
 * Reads where a group stands, from its beginning where it never was: a baseline, without which a group that is new and
 * one whose offsets have expired look the same. What was deleted before it was read is said, since kafkajs is silent.
 */
export async function readStarts(
  driver: Pick<KafkaDriver, 'committed' | 'logOffsets'>,
  source: { readonly topic: string; readonly groupId: string; readonly record: CrashRecord },
  logger: Logger,
): Promise<(partition: number) => PartitionStart> {
  const { topic, groupId, record } = source
  const [committed, log] = await Promise.all([driver.committed(groupId, topic), driver.logOffsets(topic)])
  return (partition) => {
    const found = committed.get(partition)
    const ends = log.get(partition)
    if (found === undefined) return { offset: ends?.low ?? 0, starts: undefined }
    warnIfLost(found, ends, { logger, facts: { topic, groupId, partition } })
    if (ends !== undefined && found.offset < ends.low) return { offset: ends.low, starts: undefined }
    return { offset: found.offset, starts: record.startsOf(found) }
  }
}

function warnIfLost(
  { offset }: CommittedOffset,
  ends: LogOffsets | undefined,
  { logger, facts }: { readonly logger: Logger; readonly facts: Readonly<Record<string, unknown>> },
): void {
  if (ends === undefined) return
  if (offset < ends.low) {
    const record = { event: 'kafka.deleted', ...facts, committed: offset, low: ends.low }
    logger.error(record, `${ends.low - offset} offsets were deleted before this group has read them`)
  } else if (offset > ends.high) {
    const record = { event: 'kafka.truncated', ...facts, committed: offset, high: ends.high }
    logger.error(record, 'The partition ends before the offset of this group: the topic was truncated or made anew')
  }
}
