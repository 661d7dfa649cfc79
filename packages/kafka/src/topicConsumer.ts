import type { Clock, Logger } from '@posthorn/core/adapter'
import { superviseConsumer } from './consumerSupervisor.js'
import type { ConsumerSupervisor } from './consumerSupervisor.js'
import type { Counts } from './counts.js'
import type { CrashRecord } from './crashRecord.js'
import type { FetchedBatch, KafkaDriver, OffsetToCommit } from './driver/driver.js'
import { DriverError } from './driver/driverError.js'
import { lostOffsetsError, textOf } from './errorMapping.js'
import { createFetchFlow } from './fetchFlow.js'
import type { FetchFlow } from './fetchFlow.js'
import { createGenerationDrain } from './generationDrain.js'
import type { GenerationDrain } from './generationDrain.js'
import type { HandOff } from './handOff.js'
import { createKeptProof } from './keptProof.js'
import type { KeptProof } from './keptProof.js'
import { byDeadline } from './byDeadline.js'
import { memberOptions } from './memberOptions.js'
import { createOffsetCommitter } from './offsetCommitter.js'
import type { OffsetCommitter } from './offsetCommitter.js'
import type { Settings } from './options.js'
import { createPartitionOpening } from './partitionOpening.js'
import type { PartitionOpening } from './partitionOpening.js'
import type { StartPolicy } from './partitionStart.js'
import { PartitionQueue } from './partitionQueue.js'
import { createResetWatch, firstOf } from './resetWatch.js'
import type { ResetWatch } from './resetWatch.js'
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
  readonly policy: StartPolicy
  readonly counts: Counts
  readonly clock: Clock
  readonly logger: Logger
  /** Makes the topic anew where that is allowed. */
  readonly onMissingTopic: () => Promise<void>
  /** Why nothing is consumed; undefined once it is. */
  readonly onTrouble: (why: string | undefined) => void
  /** Which partitions are not consumed, since the group's offsets do not exist; undefined when there is none. */
  readonly onLostOffsets: (why: string | undefined) => void
}

/** At least so many messages of a partition may wait, so that a fast consumer is not kept waiting for fetches. */
const minBufferedCount = 1_000
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
  readonly #drain: GenerationDrain
  readonly #proof: KeptProof
  readonly #queues = new Map<number, PartitionQueue>()
  readonly #resets: ResetWatch
  #isRebalancing = true
  #isHalted = false
  readonly #leaving = new AbortController()
  #epoch = new AbortController()
  readonly #opened: Promise<void>
  #settleOpened!: { resolve(): void; reject(error: unknown): void }

  constructor(parts: TopicConsumerParts) {
    this.#parts = parts
    this.#opened = new Promise((resolve, reject) => (this.#settleOpened = { resolve, reject }))
    this.#opened.catch(() => {})
    const { driver, settings, clock, logger, handOff, groupId } = parts
    this.#supervisor = superviseConsumer({
      groupId,
      make: (events) => driver.consumer(memberOptions(parts), events),
      events: {
        assigned: (assigned) => this.#assigned(assigned),
        rebalancing: () => this.#rebalancing(),
        drained: () => this.#drain.run(),
        topicGone: () => this.#pauseEpoch(),
        fetched: (batch) => this.#fetched(batch),
        reset: (partition) => this.#resets.tell(partition),
      },
      onMissingTopic: parts.onMissingTopic,
      onTrouble: parts.onTrouble,
      counts: parts.counts,
      settings,
      clock,
      logger,
    })
    this.#committer = createOffsetCommitter({
      groupId,
      owned: () =>
        this.#isRebalancing && !this.#drain.isDraining
          ? []
          : [...this.#queues.values()].filter((queue) => this.#proof.isProven(queue)),
      commit: (offsets) => this.#commit(offsets),
      intervalMs: settings.commitIntervalMs,
      onStuck: () => this.#supervisor.rebuild('commits fail'),
      counts: parts.counts,
      clock,
      logger,
    })
    this.#proof = createKeptProof(parts)
    this.#resets = createResetWatch(parts)
    this.#opening = createPartitionOpening({
      ...parts,
      commit: (offsets) => this.#commit(offsets),
      seek: (queue) => this.#supervisor.current?.seek(queue.partition, queue.position!),
      ending: this.#leaving.signal,
      isOurs: (queue) => !this.#isRebalancing && this.#queues.get(queue.partition) === queue,
      onChange: () => handOff.request(),
    })
    this.#drain = createGenerationDrain({
      clock,
      boundMs: settings.rebalanceDrainMs,
      isIdle: () => [...this.#queues.values()].every(({ inFlightCount }) => inFlightCount === 0),
      letGo: () => this.#committer.letGo(),
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

  /** Resolves when deliveries flow, and the group has a baseline; rejects when they never will. */
  async start(): Promise<void> {
    await this.#supervisor.start()
    await this.#opened
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

  /** Of the partition in which finished messages have waited longest for a commit. */
  get commitAgeMs(): number {
    return Math.max(0, ...[...this.#queues.values()].map((queue) => queue.commitAgeMs))
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
    this.#drain.cancel()
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
    const { handOff, counts } = this.#parts
    counts.assignments += 1
    this.#epoch.abort()
    this.#epoch = new AbortController()
    this.#drain.cancel()
    this.#isRebalancing = false
    for (const partition of this.#queues.keys()) if (!partitions.includes(partition)) this.#lose(partition)
    for (const partition of partitions) {
      this.#noteReset(partition)
      const kept = this.#queues.get(partition)
      // What waits or is in flight is not fetched again.
      if (kept?.position !== undefined) this.#supervisor.current?.seek(partition, kept.position)
      if (kept === undefined || kept.isOpening) this.#holdBack(kept ?? this.#add(partition))
      if (kept !== undefined) this.#proof.doubt(kept)
    }
    this.#flow.reapply()
    void this.#begin(this.#epoch.signal)
    handOff.request()
  }

  /** Where the generation ended before anything came of where the client has gone. */
  #noteReset(partition: number): void {
    const queue = this.#queues.get(partition)
    if (queue !== undefined && this.#resets.refuses(partition)) this.#distrust(queue)
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const proven = await this.#proof.prove(signal)
    if (signal.aborted) return
    if (proven.missing.length > 0) {
      if (this.#parts.policy.lostOffsets !== 'fail') return this.#beginAnew()
      for (const queue of proven.missing) this.#distrust(queue)
    }
    // The commit at the rebalance said that we let go.
    for (const queue of proven.kept) queue.committed = undefined
    for (const [partition, offset] of proven.passed) this.#goOnAt(partition, offset)
    this.#committer.touch()
    this.#parts.handOff.request()
    if (!this.#isHalted) await this.#open(signal)
  }

  /** Somebody else had the partition for a while, and finished more of it than we. */
  #goOnAt(partition: number, offset: number): void {
    this.#lose(partition)
    // Before it is opened: what is fetched from where we were must not come first.
    this.#supervisor.current?.seek(partition, offset)
    this.#holdBack(this.#add(partition))
  }

  #beginAnew(): void {
    const { topic, groupId, logger } = this.#parts
    const text = 'The topic was deleted and made anew: the group begins with its first message'
    logger.error({ event: 'kafka.madeAnew', topic, groupId }, text)
    for (const partition of this.#queues.keys()) this.#lose(partition)
    // A new client knows nothing of the offsets before.
    this.#supervisor.rebuild('the topic was made anew')
  }

  #rebalancing(): void {
    if (this.#isRebalancing || this.#leaving.signal.aborted) return
    // The coordinator still takes it: the request to join again follows on the same connection.
    void this.#committer.letGo()
    this.#pauseEpoch()
  }

  /** Where the topic is gone nothing is committed: it could be another one by then. */
  #pauseEpoch(): void {
    this.#isRebalancing = true
    this.#epoch.abort()
  }

  #fetched(batch: FetchedBatch): Promise<void> | undefined {
    const owner = this.#queues.get(batch.partition)
    const queue = owner === undefined ? undefined : this.#takerOf(batch, owner)
    if (queue === undefined) return undefined
    queue.accept(batch)
    this.#parts.handOff.pump()
    return this.#flow.afterFetch(queue)
  }

  /** Undefined: the batch is not to be taken. */
  #takerOf(batch: FetchedBatch, queue: PartitionQueue): PartitionQueue | undefined {
    const verdict = this.#resets.judge(queue, batch)
    if (verdict === 'follows') return queue
    if (verdict === 'refused') {
      this.#distrust(queue)
      void this.#open(this.#epoch.signal)
      return undefined
    }
    this.#parts.counts.lostOffsets += 1
    const taker = verdict === 'skips' ? queue : this.#anew(batch)
    // kafkajs has committed "the beginning" in its place.
    taker.committed = undefined
    this.#committer.touch()
    return taker
  }

  #anew(batch: FetchedBatch): PartitionQueue {
    this.#lose(batch.partition)
    const queue = this.#add(batch.partition)
    queue.open(firstOf(batch), undefined)
    return queue
  }

  /** Lets the opening decide where to go on, from where the group stood; until then nothing that is fetched is taken. */
  #distrust({ partition, isCommittable, mark, stood }: PartitionQueue): void {
    this.#lose(partition)
    const queue = this.#add(partition, { isReset: true })
    queue.stood = isCommittable ? mark : stood
    this.#holdBack(queue)
  }

  #add(partition: number, { isReset = false } = {}): PartitionQueue {
    const { topic, pause, record, settings, clock, handOff } = this.#parts
    const queue: PartitionQueue = new PartitionQueue({
      topic,
      partition,
      pause,
      record,
      maxUncommittedCount: settings.maxUncommittedCount,
      clock,
      inFlight: {
        ...handOff,
        settled: (bytes) => {
          handOff.settled(bytes)
          this.#drain.notice()
        },
      },
      mayHandOver: () => !this.#isRebalancing && this.#proof.isProven(queue),
      onMoved: () => this.#committer.touch(),
      onStale: () => (this.#parts.counts.staleSettlements += 1),
      isReset,
    })
    this.#queues.set(partition, queue)
    handOff.add(queue)
    return queue
  }

  /**
   * Nothing is fetched before it is known where to begin: where the group's offset does not exist, kafkajs begins somewhere
   * else and commits that in its place, and then nobody could tell any more that messages were lost.
   */
  #holdBack({ partition }: PartitionQueue): void {
    this.#supervisor.current?.pause([partition])
  }

  #lose(partition: number): void {
    const queue = this.#queues.get(partition)
    if (queue === undefined) return
    this.#parts.counts.lostPartitions += 1
    queue.drop()
    this.#queues.delete(partition)
    this.#parts.handOff.remove(queue)
    this.#flow.forget(partition)
    this.#resets.forget(partition)
  }

  async #open(signal: AbortSignal): Promise<void> {
    const queues = [...this.#queues.values()].filter(({ isOpening }) => isOpening)
    const opened = queues.length === 0 ? { lost: [] } : await this.#opening.open(queues, signal)
    if (opened === undefined) return
    if ('error' in opened) {
      this.#settleOpened.reject(opened.error)
      // Nothing will come of it as it is (a missing right): begin again, ever more slowly.
      return this.#supervisor.rebuild(textOf(opened.error))
    }
    const open = queues.filter(({ isCommittable }) => isCommittable).map(({ partition }) => partition)
    if (!this.#isHalted && open.length > 0) this.#supervisor.current?.resume(open)
    const { lost } = opened
    const { groupId, onLostOffsets } = this.#parts
    onLostOffsets(lost.length === 0 ? undefined : lost.join('; '))
    if (lost.length === 0) this.#settleOpened.resolve()
    else this.#settleOpened.reject(lostOffsetsError(groupId, lost))
  }

  #commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const consumer = this.#supervisor.current
    if (consumer !== undefined) return consumer.commit(offsets)
    return Promise.reject(new DriverError({ kind: 'membership', message: 'There is no consumer' }))
  }
}
