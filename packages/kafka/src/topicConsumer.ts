import type { Clock, Logger } from '@posthorn/core/adapter'
import { superviseConsumer } from './consumerSupervisor.js'
import type { ConsumerSupervisor } from './consumerSupervisor.js'
import type { CrashRecord } from './crashRecord.js'
import type { ConsumerOptions, FetchedBatch, KafkaDriver, OffsetToCommit } from './driver/driver.js'
import { DriverError } from './driver/driverError.js'
import { textOf } from './errorMapping.js'
import { createFetchFlow } from './fetchFlow.js'
import type { FetchFlow } from './fetchFlow.js'
import type { HandOff } from './handOff.js'
import { byDeadline } from './byDeadline.js'
import { createOffsetCommitter } from './offsetCommitter.js'
import type { OffsetCommitter } from './offsetCommitter.js'
import type { Settings } from './options.js'
import { createPartitionOpening } from './partitionOpening.js'
import type { PartitionOpening } from './partitionOpening.js'
import { PartitionQueue } from './partitionQueue.js'
import type { RungPause } from './rungPause.js'
import type { Turns } from './turns.js'

export interface TopicConsumerParts {
  readonly topic: string
  readonly groupId: string
  readonly partitions: number
  readonly pause: RungPause | undefined
  readonly maxInFlight: number
  readonly handOff: HandOff
  readonly turns: Turns
  readonly record: CrashRecord
  readonly driver: KafkaDriver
  readonly settings: Settings
  readonly clock: Clock
  readonly logger: Logger
  /** Makes the topic anew where that is allowed. */
  readonly onMissingTopic: () => Promise<void>
  /** Why nothing is consumed; undefined once it is. */
  readonly onTrouble: (why: string | undefined) => void
}

/** At least so many messages of a partition may wait, so that a fast consumer is not kept waiting for fetches. */
const minBufferedCount = 1_000
/**
 * Every member notices a rebalance at its next heartbeat and hands nothing more over, so nobody needs long to come back.
 * After a broker has restarted, the group waits so long for our former self, which kafkajs cannot be any more.
 */
const minRebalanceMs = 6_000

/**
 * One topic in one group: the partitions that are ours, from assignment to loss. Each assignment is an epoch. Between two
 * epochs nothing is handed over and nothing committed; what was lost becomes stale, what is kept goes on where it was.
 */
export class TopicConsumer {
  readonly #parts: TopicConsumerParts
  readonly #supervisor: ConsumerSupervisor
  readonly #committer: OffsetCommitter
  readonly #flow: FetchFlow
  readonly #opening: PartitionOpening
  readonly #queues = new Map<number, PartitionQueue>()
  readonly #resets = new Set<number>()
  #isRebalancing = true
  #isHalted = false
  readonly #leaving = new AbortController()
  #epoch = new AbortController()

  constructor(parts: TopicConsumerParts) {
    this.#parts = parts
    const { driver, settings, clock, logger, handOff, groupId } = parts
    this.#supervisor = superviseConsumer({
      groupId,
      make: (events) => driver.consumer(consumerOptions(parts), events),
      events: {
        assigned: (assigned) => this.#assigned(assigned),
        rebalancing: () => this.#rebalancing(),
        fetched: (batch) => this.#fetched(batch),
        reset: (partition) => void this.#resets.add(partition),
      },
      onMissingTopic: parts.onMissingTopic,
      onTrouble: parts.onTrouble,
      settings,
      clock,
      logger,
    })
    this.#committer = createOffsetCommitter({
      groupId,
      owned: () => (this.#isRebalancing ? [] : [...this.#queues.values()]),
      commit: (offsets) => this.#commit(offsets),
      intervalMs: settings.commitIntervalMs,
      onStuck: () => this.#supervisor.rebuild('commits fail'),
      clock,
      logger,
    })
    this.#opening = createPartitionOpening({
      ...parts,
      commit: (offsets) => this.#commit(offsets),
      ending: this.#leaving.signal,
      isOurs: (queue) => !this.#isRebalancing && this.#queues.get(queue.partition) === queue,
      onChange: () => handOff.request(),
    })
    this.#flow = createFetchFlow({
      clock,
      consumer: () => this.#supervisor.current,
      queueOf: (partition) => this.#queues.get(partition),
      owned: () => [...this.#queues.keys()],
      isFull: () => handOff.isFull,
      maxCount: Math.max(minBufferedCount, parts.maxInFlight),
      maxBytes: settings.maxPartitionFetchBytes,
    })
  }

  get topic(): string {
    return this.#parts.topic
  }

  get groupId(): string {
    return this.#parts.groupId
  }

  /** Resolves when deliveries flow; rejects when they never will. */
  start(): Promise<void> {
    return this.#supervisor.start()
  }

  /** Called after something was handed over. */
  afterTaken(): void {
    this.#flow.afterTaken()
  }

  /** Called when nothing of the subscription is in flight. */
  onIdle(): void {
    this.#committer.hurry()
  }

  /** The partitions whose queue is empty and which could be fetched: where the next fetch begins. */
  starving(): ReadonlyMap<number, number> {
    const positions = new Map<number, number>()
    if (this.#isRebalancing) return positions
    for (const [partition, queue] of this.#queues) {
      if (queue.isCommittable && queue.bufferedCount === 0) positions.set(partition, queue.position!)
    }
    return positions
  }

  rebuild(why: string): void {
    this.#supervisor.rebuild(why)
  }

  /** Fetches and hands over nothing more; what was handed over can still be settled. */
  halt(): void {
    this.#isHalted = true
    this.#flow.halt()
    for (const queue of this.#queues.values()) queue.halt()
  }

  /** Commits what is done by now. */
  async flush(): Promise<void> {
    await this.#committer.flush()
  }

  /** Commits what is done, as the last word, and leaves the group by the deadline. A second call may have less time. */
  async leave(deadline: number): Promise<void> {
    const { clock } = this.#parts
    this.halt()
    // A broker that does not answer must leave us the time to end its connections.
    const halfway = clock.monotonic() + (deadline - clock.monotonic()) / 2
    if (!this.#leaving.signal.aborted) await byDeadline(this.#lastCommit(), { clock, deadline: halfway })
    this.#leaving.abort()
    this.#committer.stop()
    this.#epoch.abort()
    await this.#supervisor.stop(deadline)
    for (const queue of this.#queues.values()) queue.drop()
  }

  async #lastCommit(): Promise<void> {
    await this.#committer.flush()
    await this.#committer.letGo()
  }

  #assigned(partitions: readonly number[]): void {
    const { handOff } = this.#parts
    this.#epoch.abort()
    this.#epoch = new AbortController()
    this.#isRebalancing = false
    for (const partition of this.#queues.keys()) if (!partitions.includes(partition)) this.#lose(partition)
    for (const partition of partitions) {
      const kept = this.#queues.get(partition)
      // What waits or is in flight is not fetched again.
      if (kept?.position !== undefined) this.#supervisor.current?.seek(partition, kept.position)
      if (kept === undefined) this.#add(partition)
      // The commit at the rebalance said that we let go.
      else kept.committed = undefined
    }
    this.#flow.reapply()
    if (!this.#isHalted) void this.#open(this.#epoch.signal)
    this.#committer.touch()
    handOff.request()
  }

  #rebalancing(): void {
    if (this.#isRebalancing || this.#leaving.signal.aborted) return
    // The coordinator still takes it: the request to join again follows on the same connection.
    void this.#committer.letGo()
    this.#isRebalancing = true
    this.#epoch.abort()
  }

  #fetched(batch: FetchedBatch): Promise<void> | undefined {
    const { partition } = batch
    if (!this.#queues.has(partition)) return undefined
    this.#noticeReset(batch)
    const queue = this.#queues.get(partition)!
    queue.accept(batch)
    this.#parts.handOff.pump()
    return this.#flow.afterFetch(queue)
  }

  /** Offsets that begin anew must not be taken for ones that came before. */
  #noticeReset({ partition, records, nextOffset }: FetchedBatch): void {
    const queue = this.#queues.get(partition)!
    const first = records[0]?.offset ?? nextOffset
    const wasTold = this.#resets.delete(partition)
    const isBehind = first < (queue.mark ?? 0) || (wasTold && first < (queue.position ?? 0))
    if (!isBehind && !wasTold) return
    const { topic, groupId, logger } = this.#parts
    logger.error(
      { event: 'kafka.reset', topic, groupId, partition, expected: queue.position, found: first },
      'The offset to read does not exist: the group goes on at the first one that does',
    )
    if (!isBehind) return
    this.#lose(partition)
    this.#add(partition).open(first, undefined)
  }

  #add(partition: number): PartitionQueue {
    const { topic, pause, record, settings, clock, handOff } = this.#parts
    const queue = new PartitionQueue({
      topic,
      partition,
      pause,
      record,
      maxUncommittedCount: settings.maxUncommittedCount,
      clock,
      inFlight: handOff,
      mayHandOver: () => !this.#isRebalancing,
      onMoved: () => this.#committer.touch(),
    })
    this.#queues.set(partition, queue)
    handOff.add(queue)
    return queue
  }

  #lose(partition: number): void {
    const queue = this.#queues.get(partition)
    if (queue === undefined) return
    queue.drop()
    this.#queues.delete(partition)
    this.#parts.handOff.remove(queue)
    this.#flow.forget(partition)
  }

  async #open(signal: AbortSignal): Promise<void> {
    const queues = [...this.#queues.values()].filter(({ isOpening }) => isOpening)
    if (queues.length === 0) return
    const error = await this.#opening.open(queues, signal)
    // Nothing will come of it as it is (a missing right): begin again, ever more slowly.
    if (error !== undefined) this.#supervisor.rebuild(textOf(error))
  }

  #commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const consumer = this.#supervisor.current
    if (consumer !== undefined) return consumer.commit(offsets)
    return Promise.reject(new DriverError({ kind: 'membership', message: 'There is no consumer' }))
  }
}

function consumerOptions({ topic, groupId, partitions, settings }: TopicConsumerParts): ConsumerOptions {
  const { sessionTimeoutMs, heartbeatIntervalMs, maxPartitionFetchBytes } = settings
  const rebalanceTimeoutMs = Math.min(sessionTimeoutMs, Math.max(minRebalanceMs, heartbeatIntervalMs * 2))
  return {
    topic,
    groupId,
    partitions,
    sessionTimeoutMs,
    heartbeatIntervalMs,
    rebalanceTimeoutMs,
    maxPartitionFetchBytes,
  }
}
