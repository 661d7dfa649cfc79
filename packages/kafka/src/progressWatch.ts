import type { Clock, Logger, TimerHandle } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'
import type { CommittedOffset, KafkaDriver, LogOffsets } from './driver/driver.js'
import { textOf } from './errorMapping.js'
import type { TopicConsumer } from './topicConsumer.js'

export interface WatchParts {
  readonly consumer: TopicConsumer
  readonly driver: Pick<KafkaDriver, 'committed' | 'logOffsets' | 'readableEnds'>
  readonly intervalMs: number
  readonly counts: Counts
  /** Nothing of the subscription is in flight: it would take what comes. */
  isIdle(): boolean
  /** Why nothing comes, though the consumer was replaced and the cluster answers; undefined once that is over. */
  readonly onStarving: (why: string | undefined) => void
  /** Messages that the whole group has not committed; undefined: no longer ours to tell. */
  readonly onLag: (messages: number | undefined) => void
  readonly clock: Clock
  readonly logger: Logger
}

/** So many looks a new consumer gets at the place where the one before stood still. */
const maxVainLooks = 3

/**
 * Replaces a consumer that has a backlog, room for it, and fetches nothing. Twice at the same
 * place it is not replaced: then the rest of the partition is not for us, such as an open transaction.
 */
export function watchProgress(parts: WatchParts): { stop(): void } {
  const { consumer, driver, intervalMs, counts, onLag, clock, logger } = parts
  let timer: TimerHandle | undefined
  let before: ReadonlyMap<number, number> = new Map()
  const judgedAt = new Map<number, number>()
  const replacedAt = new Map<number, number>()
  let vainLooks = 0
  let stopped = false

  function arm(): void {
    if (!stopped) timer = clock.schedule(intervalMs, () => void look().then(arm), { background: true })
  }

  async function look(): Promise<void> {
    const standing = [...consumer.starving()].filter(([partition, position]) => before.get(partition) === position)
    before = consumer.starving()
    try {
      const { topic, groupId } = consumer
      const [log, committed] = await Promise.all([driver.logOffsets(topic), driver.committed(groupId, topic)])
      if (stopped) return
      onLag(lagOf(log, committed))
      const now = consumer.starving()
      await noteStarving(standing.filter(([partition, position]) => now.get(partition) === position))
      for (const [partition, position] of standing) {
        const isStuck = now.get(partition) === position && (log.get(partition)?.high ?? 0) > position
        if (!isStuck || judgedAt.get(partition) === position) continue
        judgedAt.set(partition, position)
        const readable = (await driver.readableEnds(topic)).get(partition) ?? Infinity
        // Asking took a while: it may move again, or be about to stop.
        const isStill = !stopped && consumer.starving().get(partition) === position
        if (readable > position && isStill) return replace(partition, position)
        if (readable > position) continue
        noteTransaction(partition, { position, high: log.get(partition)!.high })
      }
    } catch (error) {
      noteVain(undefined)
      const { topic, groupId } = consumer
      const facts = { event: 'kafka.watchdog', topic, groupId, err: error }
      logger.debug(facts, `No offsets to compare: ${textOf(error)}`)
    }
  }

  /** A new consumer stands where the one before stood, with nothing else to do: another one would not help. */
  async function noteStarving(standing: readonly (readonly [number, number])[]): Promise<void> {
    const same = standing.find(([partition, position]) => replacedAt.get(partition) === position)
    if (same === undefined || !parts.isIdle()) return noteVain(undefined)
    const [partition, position] = same
    const readable = (await driver.readableEnds(consumer.topic)).get(partition) ?? 0
    noteVain(readable > position ? `partition ${partition} of ${consumer.topic} from offset ${position}` : undefined)
  }

  function noteVain(where: string | undefined): void {
    vainLooks = where === undefined || stopped ? 0 : vainLooks + 1
    const isStarving = vainLooks >= maxVainLooks
    parts.onStarving(
      isStarving ? `${where} has messages, and a new consumer of ${consumer.groupId} gets none` : undefined,
    )
  }

  /** Kafka shows nothing behind a transaction that is neither committed nor aborted, and says nothing about it. */
  function noteTransaction(partition: number, ends: { readonly position: number; readonly high: number }): void {
    counts.openTransactions += 1
    const { topic, groupId } = consumer
    const facts = { event: 'kafka.openTransaction', topic, groupId, partition, ...ends }
    logger.warn(facts, 'A producer holds a transaction open: nothing behind it is delivered until that ends')
  }

  function replace(partition: number, position: number): void {
    counts.stalled += 1
    replacedAt.set(partition, position)
    consumer.rebuild(`partition ${partition} has messages from offset ${position} and fetches none`)
  }

  arm()
  return {
    stop() {
      stopped = true
      timer?.cancel()
      noteVain(undefined)
      onLag(undefined)
    },
  }
}

/** Of a dead consumer, too: what the group has committed counts, not what this process knows. */
function lagOf(log: ReadonlyMap<number, LogOffsets>, committed: ReadonlyMap<number, CommittedOffset>): number {
  let messages = 0
  for (const [partition, { low, high }] of log) {
    messages += Math.max(0, high - Math.max(low, committed.get(partition)?.offset ?? low))
  }
  return messages
}
