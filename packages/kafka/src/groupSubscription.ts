import type { Clock, Delivery, Logger, Subscription, TimerHandle, TopicHealth } from '@posthorn/core/adapter'
import { byDeadline } from './byDeadline.js'
import type { Counts } from './counts.js'
import type { CrashRecord } from './crashRecord.js'
import type { KafkaDriver } from './driver/driver.js'
import { textOf } from './errorMapping.js'
import { createHandOff } from './handOff.js'
import type { HandOff } from './handOff.js'
import type { Settings } from './options.js'
import type { StartPolicy } from './partitionStart.js'
import { watchProgress } from './progressWatch.js'
import { createRungPause } from './rungPause.js'
import { TopicConsumer } from './topicConsumer.js'
import { rungDelayMs } from './topicNames.js'
import type { Topology } from './topology.js'
import type { PlannedTopic, TopologyMap } from './topologyMap.js'
import type { Turns } from './turns.js'

export interface SubscriberParts {
  readonly driver: KafkaDriver
  readonly topology: Topology
  readonly settings: Settings
  readonly counts: Counts
  readonly turns: Turns
  readonly record: CrashRecord
  readonly clock: Clock
  readonly logger: Logger
  /** The group is left; nothing is to be closed any more. */
  readonly onLeft: (group: GroupSubscription) => void
  /** Why a group consumes nothing; undefined once it does. */
  readonly onTrouble: (what: string, why: string | undefined) => void
  /** Why a group gets nothing, though its consumer was replaced; undefined once it does. */
  readonly onStarving: (groupId: string, why: string | undefined) => void
  /** How far a group is behind in one topic; undefined when that is not looked at any more. */
  readonly onLag: (groupId: string, messages: number | undefined) => void
}

/** The group may still hold deliveries when it stops; once they are settled, leaving must not take longer. */
const leaveMs = 10_000

/**
 * One group's interest in one destination: a consumer for the destination's topic and one for each retry topic, each in
 * a group of its own, and all within one bound on what is in flight. Running → stopped (nothing is handed over, settling
 * still counts) → left.
 */
export class GroupSubscription {
  readonly #subscription: Subscription
  readonly #parts: SubscriberParts
  readonly #handOff: HandOff
  readonly #consumers = new Map<string, TopicConsumer>()
  readonly #lags = new Map<string, number | undefined>()
  readonly #watches: { stop(): void }[] = []
  #discovery: TimerHandle | undefined
  #isStopped = false

  constructor(
    subscription: Subscription,
    onDeliveries: (deliveries: readonly Delivery[]) => void,
    parts: SubscriberParts,
  ) {
    this.#subscription = subscription
    const { destination, group } = subscription
    this.#parts = { ...parts, logger: parts.logger.child({ destination, group }) }
    this.#handOff = createHandOff({
      subscription,
      clock: parts.clock,
      onDeliveries,
      onIdle: () => this.#onIdle(),
      onTaken: () => {
        for (const consumer of this.#consumers.values()) consumer.afterTaken()
      },
    })
  }

  /** Resolves when every consumer has its partitions. `counts` are the topics that exist, with their partitions. */
  async start(counts: ReadonlyMap<string, number>): Promise<void> {
    const { source } = this.#subscription
    const dead = this.#map.topicOf({ dead: this.#subscription })
    const topics = source === 'dead' ? [dead] : [...counts.keys()].filter((topic) => topic !== dead)
    const starts = topics.map((topic) => this.#consume(topic, counts.get(topic)!))
    if (source === 'work') starts.push(this.#discover())
    await Promise.all(starts)
  }

  /** How far the group is in each of its topics. */
  topics(): TopicHealth[] {
    const { group } = this.#subscription
    return [...this.#consumers].map(([topic, { commitAgeMs }]) => ({
      group,
      topic,
      lag: this.#lags.get(topic),
      commitAgeMs,
    }))
  }

  /** Nothing is handed over after the call. Leaves the group when everything is settled, at the latest with `leave`. */
  async stop(deadline: number): Promise<void> {
    this.#halt()
    if (this.#handOff.inFlightCount === 0) return this.leave(deadline)
    const { clock } = this.#parts
    await byDeadline(Promise.all([...this.#consumers.values()].map((consumer) => consumer.flush())), {
      clock,
      deadline,
    })
  }

  /** Commits what is settled and leaves the group by the deadline, whatever is still unsettled. Idempotent. */
  async leave(deadline: number): Promise<void> {
    this.#halt()
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.leave(deadline)))
    this.#parts.onLeft(this)
  }

  #halt(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#handOff.stop()
    this.#discovery?.cancel()
    for (const watch of this.#watches) watch.stop()
    for (const consumer of this.#consumers.values()) consumer.halt()
  }

  #onIdle(): void {
    if (this.#isStopped) void this.leave(this.#parts.clock.monotonic() + leaveMs)
    else for (const consumer of this.#consumers.values()) consumer.onIdle()
  }

  async #consume(topic: string, partitions: number): Promise<void> {
    if (this.#isStopped || this.#consumers.has(topic)) return
    const { driver, settings, counts, turns, record, topology, clock, logger, onTrouble, onLag, onStarving } =
      this.#parts
    const groupId = this.#groupIdOf(topic)
    const consumer = new TopicConsumer({
      topic,
      groupId,
      partitions,
      pause: this.#pauseOf(topic),
      maxInFlight: this.#subscription.maxInFlight,
      handOff: this.#handOff,
      turns,
      record,
      driver,
      settings,
      policy: this.#policyOf(topic),
      counts,
      clock,
      logger,
      onMissingTopic: async () => {
        await topology.findOrCreate(this.#plannedOf(topic))
      },
      onTrouble: (why) => onTrouble(groupId, why),
      onLostOffsets: (why) => onTrouble(`offsets of ${groupId}`, why),
    })
    this.#consumers.set(topic, consumer)
    const intervalMs = settings.watchdogIntervalMs
    const lag = (messages: number | undefined): void => {
      onLag(groupId, messages)
      this.#lags.set(topic, messages)
    }
    const watch = {
      isIdle: () => this.#handOff.inFlightCount === 0,
      onStarving: (why: string | undefined) => onStarving(groupId, why),
      onLag: lag,
    }
    this.#watches.push(watchProgress({ consumer, driver, intervalMs, counts, ...watch, clock, logger }))
    await consumer.start()
  }

  /** The group of a retry topic, and of the dead letters, has the topic's name: never several topics in one group. */
  #groupIdOf(topic: string): string {
    return this.#map.groupIdOf(this.#subscription, topic)
  }

  get #map(): TopologyMap {
    return this.#parts.settings.topology
  }

  #plannedOf(topic: string): PlannedTopic {
    const { destination } = this.#subscription
    const delayMs = rungDelayMs(topic, this.#subscription)
    if (delayMs !== undefined) return this.#map.planned({ retry: { ...this.#subscription, delayMs } })
    return this.#map.planned(
      topic === this.#map.topicOf({ destination }) ? { destination } : { dead: this.#subscription },
    )
  }

  #pauseOf(topic: string): ReturnType<typeof createRungPause> | undefined {
    const delayMs = rungDelayMs(topic, this.#subscription)
    return delayMs === undefined || delayMs === 0 ? undefined : createRungPause(delayMs)
  }

  /** What waits for its retry, or was put aside, is never skipped. */
  #policyOf(topic: string): StartPolicy {
    const { newGroups, lostOffsets } = this.#parts.settings
    if (topic === this.#map.topicOf({ destination: this.#subscription.destination })) return { newGroups, lostOffsets }
    return { newGroups: 'earliest', lostOffsets: lostOffsets === 'fail' ? 'fail' : 'earliest' }
  }

  /** During a rolling change, another version of the service writes into retry topics that this one does not use. */
  async #discover(): Promise<void> {
    const { topology, driver, settings, clock, logger } = this.#parts
    try {
      const starts: Promise<void>[] = []
      for (const topic of (await topology.rungsOf(this.#subscription)).keys()) {
        if (this.#consumers.has(topic)) continue
        const partitions = await driver.partitionCount(topic)
        if (partitions !== undefined) starts.push(this.#consume(topic, partitions))
      }
      await Promise.all(starts)
    } catch (error) {
      logger.warn({ event: 'kafka.discovery', err: error }, `Looking for retry topics failed: ${textOf(error)}`)
    }
    if (this.#isStopped) return
    this.#discovery = clock.schedule(settings.rungDiscoveryIntervalMs, () => void this.#discover(), {
      background: true,
    })
  }
}
