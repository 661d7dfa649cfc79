import type { Logger } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'
import type { CommittedOffset, KafkaDriver, LogOffsets } from './driver/driver.js'
import type { CrashRecord } from './crashRecord.js'
import type { Settings } from './options.js'

/** Where a group begins with a partition. */
export interface PartitionStart {
  readonly offset: number
  /** How often processes have started on the message there and died; undefined when the one before let go alive. */
  readonly starts: number | undefined
  /** The client would begin elsewhere by itself. */
  readonly seeks: boolean
}

/** The offset of the group does not exist, and going on without it is not allowed. */
export interface LostStart {
  /** Where the group stood. */
  readonly stood: number
  readonly text: string
}

/** Where a group stands in a topic. */
export interface GroupStarts {
  /** `isDoubtful`: a client has lost its way there, and the group's record does not say so. */
  startOf(partition: number, isDoubtful: boolean): PartitionStart | LostStart
  /** Whether the group has an offset there at all. */
  isCommitted(partition: number): boolean
  /** What a group that is new says of partitions that others read, too: the first of its members says it for all. */
  readonly baseline: ReadonlyMap<number, number>
}

/** What is done about offsets that are not there. */
export type StartPolicy = Pick<Settings, 'newGroups' | 'lostOffsets'>

export interface StartSource {
  readonly topic: string
  readonly groupId: string
  readonly record: CrashRecord
  readonly policy: StartPolicy
  readonly counts: Counts
  readonly logger: Logger
  /** Where the group stood when its offset was lost: it counts where there is none, since a client has overwritten it. */
  readonly stood: ReadonlyMap<number, number>
}

type Driver = Pick<KafkaDriver, 'committed' | 'logOffsets' | 'readableEnds'>

/**
 * Reads where a group stands, and where it begins when it never was: a baseline, without which a group that is new and
 * one whose offsets have expired look the same. What was deleted before it was read is said, since kafkajs is silent.
 */
export async function readStarts(driver: Driver, source: StartSource): Promise<GroupStarts> {
  const { committed: told, log, ends: latest } = await readOffsets(driver, source)
  const committed = new Map([...overwritten(source), ...told])
  const isNew = committed.size === 0
  const fromEnd = isNew && source.policy.newGroups === 'latest'
  if (isNew) noteNew(source, log)
  return {
    baseline: fromEnd ? latest : new Map(),
    isCommitted: (partition) => told.has(partition),
    startOf(partition, isDoubtful) {
      const found = committed.get(partition)
      const ends = log.get(partition)
      if (found === undefined) {
        return { offset: (fromEnd ? latest.get(partition) : ends?.low) ?? 0, starts: undefined, seeks: fromEnd }
      }
      const isThere = ends === undefined || (found.offset >= ends.low && found.offset <= ends.high)
      const isLost = source.record.isLost(found) || (isDoubtful && source.policy.lostOffsets === 'fail')
      if (isThere && !isLost) {
        return { offset: found.offset, starts: source.record.startsOf(found), seeks: false }
      }
      return afterLoss(source, partition, {
        committed: found.offset,
        latest: latest.get(partition) ?? ends?.high ?? found.offset,
        ...(ends ?? { low: found.offset, high: found.offset }),
      })
    },
  }
}

function overwritten({ stood, record }: StartSource): [number, CommittedOffset][] {
  return [...stood].map(([partition, offset]) => [partition, { offset, metadata: record.lost }])
}

/**
 * The ends first: for a group that begins at the end, nothing that came after another member had begun may lie before
 * it. An offset beyond the end may then only be younger than what we know of the end. What is open at the end, a
 * transaction, comes later: the end that counts lies before it.
 */
async function readOffsets(driver: Driver, { topic, groupId, policy }: StartSource): Promise<GroupOffsets> {
  const startsAtEnd = policy.newGroups === 'latest' || policy.lostOffsets === 'latest'
  const ends = startsAtEnd ? await driver.readableEnds(topic) : new Map<number, number>()
  const log = await driver.logOffsets(topic)
  const committed = await driver.committed(groupId, topic)
  const isBeyond = [...committed].some(([partition, { offset }]) => offset > (log.get(partition)?.high ?? Infinity))
  return { committed, log: isBeyond ? await driver.logOffsets(topic) : log, ends }
}

interface GroupOffsets {
  readonly committed: ReadonlyMap<number, CommittedOffset>
  readonly log: ReadonlyMap<number, LogOffsets>
  /** Empty where nobody begins there. */
  readonly ends: ReadonlyMap<number, number>
}

function noteNew({ topic, groupId, policy, logger }: StartSource, log: ReadonlyMap<number, LogOffsets>): void {
  let messages = 0
  for (const { low, high } of log.values()) messages += high - low
  if (messages === 0) return
  logger.warn(
    { event: 'kafka.noOffsets', topic, groupId, messages, newGroups: policy.newGroups },
    `Group ${groupId} is new, or its offsets have expired: it begins at the ` +
      `${policy.newGroups === 'earliest' ? 'first' : 'end'} of about ${messages} messages`,
  )
}

/** The offset of the group does not exist: what it points at was deleted, or the topic was truncated or made anew. */
function afterLoss(
  { topic, groupId, policy, counts, logger }: StartSource,
  partition: number,
  { committed, latest, low, high }: LogOffsets & { readonly committed: number; readonly latest: number },
): PartitionStart | LostStart {
  const facts = { topic, groupId, partition, committed, low, high, lostOffsets: policy.lostOffsets }
  counts.lostOffsets += 1
  if (committed < low) {
    const message = `${low - committed} offsets were deleted before this group has read them`
    logger.error({ event: 'kafka.deleted', ...facts }, message)
  } else {
    const message =
      committed > high
        ? 'The partition ends before the offset of this group: the topic was truncated or made anew'
        : 'The offsets of the partition began anew, below the one of this group: the topic was truncated or made anew'
    logger.error({ event: 'kafka.truncated', ...facts }, message)
  }
  if (policy.lostOffsets === 'fail') {
    const isAnew = committed >= low && committed <= high
    const since = isAnew ? ', since before they began anew' : ''
    return {
      stood: committed,
      text: `${topic}[${partition}] has offsets ${low} to ${high}, and the group stands at ${committed}${since}`,
    }
  }
  return { offset: policy.lostOffsets === 'earliest' ? low : latest, starts: undefined, seeks: true }
}
