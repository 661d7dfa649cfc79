import { resourceNames } from '@posthorn/core/adapter'
import type { Clock, Delivery, Logger, Subscription, TimerHandle } from '@posthorn/core/adapter'
import { byDeadline } from './byDeadline.js'
import type { CrashRecord } from './crashRecord.js'
import type { KafkaDriver } from './driver/driver.js'
import { textOf } from './errorMapping.js'
import { createHandOff } from './handOff.js'
import type { HandOff } from './handOff.js'
import type { Settings } from './options.js'
import { watchProgress } from './progressWatch.js'
import { createRungPause } from './rungPause.js'
import { TopicConsumer } from './topicConsumer.js'
import { rungDelayMs } from './topicNames.js'
import type { Topology } from './topology.js'
import type { Turns } from './turns.js'

export interface SubscriberParts {
  readonly driver: KafkaDriver
  readonly topology: Topology
  readonly settings: Settings
  readonly turns: Turns
  readonly record: CrashRecord
  readonly clock: Clock
  readonly logger: Logger
  /** The group is left; nothing is to be closed any more. */
  readonly onLeft: (group: GroupSubscription) => void
  /** Why a group consumes nothing; undefined once it does. */
  readonly onTrouble: (groupId: string, why: string | undefined) => void
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
  readonly #watches: { stop(): void }[] = []
  #discovery: TimerHandle | undefined
  #isStopped = false

  constructor(
    subscription: Subscription,
    onDeliveries: (deliveries: readonly Delivery[]) => void,
    parts: SubscriberParts,
  ) {
    this.#subscription = subscription
    this.#parts = parts
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
    const { destination, group, source } = this.#subscription
    const dead = resourceNames.dead(destination, group)
    const topics = source === 'dead' ? [dead] : [...counts.keys()].filter((topic) => topic !== dead)
    const starts = topics.map((topic) => this.#consume(topic, counts.get(topic)!))
    if (source === 'work') starts.push(this.#discover())
    await Promise.all(starts)
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
    const { driver, settings, turns, record, topology, clock, logger, onTrouble } = this.#parts
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
      clock,
      logger,
      onMissingTopic: async () => {
        await topology.findOrCreate({ topic, like: this.#subscription.destination })
      },
      onTrouble: (why) => onTrouble(groupId, why),
    })
    this.#consumers.set(topic, consumer)
    this.#watches.push(watchProgress({ consumer, driver, intervalMs: settings.watchdogIntervalMs, clock, logger }))
    await consumer.start()
  }

  /** The group of a retry topic, and of the dead letters, has the topic's name: never several topics in one group. */
  #groupIdOf(topic: string): string {
    const { destination, group } = this.#subscription
    return topic === destination ? resourceNames.group(destination, group) : topic
  }

  #pauseOf(topic: string): ReturnType<typeof createRungPause> | undefined {
    const delayMs = rungDelayMs(topic, this.#subscription)
    return delayMs === undefined || delayMs === 0 ? undefined : createRungPause(delayMs)
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
