import type { Clock, PublishError } from '@posthorn/core/adapter'
import { fullJitter } from '@posthorn/core/adapter'
import { pauseFor } from './byDeadline.js'
import type { Counts } from './counts.js'
import type { KafkaDriver } from './driver/driver.js'
import { backoffFor } from './backoffFor.js'
import { DriverError, isOutage } from './driver/driverError.js'
import { closedError, noTopicError, publishError, refusedError } from './errorMapping.js'
import type { Settings } from './options.js'
import type { Outgoing } from './outgoing.js'
import { PartitionLane } from './partitionLane.js'
import { createTopicPartitioner } from './partitioner.js'
import type { TopicPartitioner } from './partitioner.js'
import type { Topology } from './topology.js'
import type { PlannedTopic } from './topologyMap.js'

export interface RouteParts {
  readonly driver: KafkaDriver
  readonly topology: Topology
  readonly settings: Settings
  readonly counts: Counts
  readonly clock: Clock
  /** Told about every send to a topic that failed, and by undefined about one that worked after that. */
  readonly onTrouble: (error: DriverError | undefined, topic: string) => void
}

/**
 * The way to one topic. Messages wait in order until its partitions are known, and then in the lane of their partition:
 * a topic that is not there is found out before anything is sent (kafkajs hides that for 9 s).
 */
export class TopicRoute {
  readonly #planned: PlannedTopic
  readonly #parts: RouteParts
  /** By partition. */
  readonly #lanes: (PartitionLane | undefined)[] = []
  /** Before the partitions are known. */
  #waiting: Outgoing[] = []
  #count: number | undefined
  #countedAt = 0
  #looking: Promise<void> | undefined
  readonly #partitioner: TopicPartitioner
  readonly #ending = new AbortController()

  constructor(planned: PlannedTopic, parts: RouteParts) {
    this.#planned = planned
    this.#parts = parts
    this.#partitioner = createTopicPartitioner({
      topic: planned.topic,
      partitioner: parts.settings.partitioner,
      isFailing: (partition) => this.#lanes[partition]?.isFailing === true,
    })
  }

  get isIdle(): boolean {
    return this.#waiting.every(({ settled }) => settled) && this.#open.every(({ isIdle }) => isIdle)
  }

  push(outgoing: Outgoing): void {
    if (this.#count === undefined) {
      this.#waiting.push(outgoing)
      void this.#look()
      return
    }
    if (this.#parts.clock.monotonic() - this.#countedAt > this.#parts.settings.metadataMaxAgeMs) void this.#look()
    this.#place(outgoing, this.#count)
  }

  /** Sends nothing more; fails what is left. */
  close(): void {
    const errorOf = (outcome: 'notSent' | 'unknown'): PublishError => closedError(this.#planned.topic, outcome)
    this.#ending.abort()
    for (const lane of this.#open) lane.close(errorOf)
    this.#failAll(errorOf)
  }

  #place(outgoing: Outgoing, count: number): void {
    let partition: number
    try {
      partition = this.#partitioner.partitionOf(outgoing, count)
    } catch (error) {
      return outgoing.fail((outcome) => publishError(this.#planned.topic, error, outcome))
    }
    this.#laneOf(partition).push(outgoing)
  }

  #laneOf(partition: number): PartitionLane {
    const existing = this.#lanes[partition]
    if (existing !== undefined) return existing
    const { driver, settings, counts, clock, onTrouble } = this.#parts
    const { topic } = this.#planned
    const lane = new PartitionLane({
      maxBatchBytes: settings.maxBatchBytes,
      clock,
      counts,
      send: async (records) => {
        await driver.send({ topic, partition, records })
        onTrouble(undefined, topic)
      },
      refusal: (error, refused) => refusedError(topic, error, refused),
      beforeRetry: (error) => this.#beforeRetry(error),
      onBatch: () => this.#partitioner.onBatch(partition),
    })
    this.#lanes[partition] = lane
    return lane
  }

  async #beforeRetry(error: DriverError): Promise<void> {
    this.#parts.onTrouble(error, this.#planned.topic)
    // The leader may have moved with the topic's number of partitions; a topic that is gone ends the wait.
    if (error.kind === 'unknownTopic' || error.kind === 'unavailable') await this.#look()
  }

  #look(): Promise<void> {
    this.#looking ??= this.#find().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  /** Goes on as long as somebody waits; each has a deadline of its own. */
  async #find(): Promise<void> {
    for (let failures = 1; !this.#ending.signal.aborted; failures += 1) {
      try {
        const count = await this.#parts.topology.findOrCreate(this.#planned)
        if (count === undefined) return this.#gone()
        return this.#found(count)
      } catch (error) {
        if (error instanceof DriverError) this.#parts.onTrouble(error, this.#planned.topic)
        if (!isOutage(error)) return this.#failAll((outcome) => publishError(this.#planned.topic, error, outcome))
        // With the old number sending goes on; a lane that fails comes back here.
        if (this.#count !== undefined || this.isIdle) return
        await this.#pause(fullJitter(failures, backoffFor(error, this.#parts.settings.reconnect)))
      }
    }
  }

  #found(count: number): void {
    const before = this.#count
    this.#count = count
    this.#countedAt = this.#parts.clock.monotonic()
    // Fewer than before: the topic was made anew, and some lanes lead nowhere.
    if (before !== undefined && count < before) {
      this.#waiting.push(...this.#lanes.splice(count).flatMap((lane) => lane?.drain() ?? []))
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const outgoing of waiting) if (!outgoing.settled) this.#place(outgoing, count)
  }

  #gone(): void {
    this.#count = undefined
    this.#failAll((outcome) => noTopicError(this.#planned.topic, outcome))
  }

  #failAll(errorOf: (outcome: 'notSent' | 'unknown') => PublishError): void {
    const left = [...this.#waiting, ...this.#open.flatMap((lane) => lane.drain())]
    this.#waiting = []
    for (const outgoing of left) outgoing.fail(errorOf)
  }

  #pause(delayMs: number): Promise<void> {
    return pauseFor(delayMs, { clock: this.#parts.clock, deadline: Infinity, signal: this.#ending.signal })
  }

  /** Of the partitions that were sent to; the others have no lane yet. */
  get #open(): PartitionLane[] {
    return this.#lanes.filter((lane) => lane !== undefined)
  }
}
