import type { Clock, Logger, SendOptions, Subscription } from '@posthorn/core/adapter'
import { isOver, pauseFor, repeat } from './byDeadline.js'
import type { Repeated, Wait } from './byDeadline.js'
import type { KafkaDriver, TopicToCreate } from './driver/driver.js'
import { DriverError, isOutage, isPassing } from './driver/driverError.js'
import { cannotCreateError, connectError, endedError, mismatchError, missingTopicsError } from './errorMapping.js'
import type { Settings } from './options.js'
import { inspectTopic } from './topicInspection.js'
import { rungDelayMs } from './topicNames.js'
import { headerRoomBytes } from './topologyMap.js'
import type { PlannedTopic } from './topologyMap.js'
import type { TopologyMode } from './topologyOptions.js'

/** The topics of the cluster, as far as we need them: found, created, counted. Changes no topic that exists. */
export interface Topology {
  /** The topic's partitions, all with leaders; undefined when it is not there and may not be created here. */
  findOrCreate(planned: PlannedTopic): Promise<number | undefined>
  /** Makes sure by the deadline that what a publisher needs exists. */
  ensureDestinations(destinations: readonly string[], options: SendOptions): Promise<void>
  /** Makes sure by the deadline that a group's topics exist; gives the number of partitions of each that does. */
  ensureSubscription(subscription: Subscription, options: SendOptions): Promise<ReadonlyMap<string, number>>
  /** Every retry topic that the group has, of other versions of the service too, with its delay. */
  rungsOf(subscription: Subscription): Promise<ReadonlyMap<string, number>>
}

/** Until the leaders of a new topic are known; a matter of milliseconds. */
const leaderPollMs = 50
/**
 * Between finding a topic gone and making it anew. The members of its groups find it gone one after the other, and with each the
 * group rebalances, at which the others commit where they stood: that must not become where the group stands in the new topic.
 */
const goneMs = 3_000
const leaderWaitMs = 10_000
/** A broker that has just started says that there is no such topic until it has caught up with the metadata. */
const behindMs = 1_000

export interface TopologyParts {
  readonly driver: KafkaDriver
  readonly settings: Settings
  readonly clock: Clock
  readonly logger: Logger
}

export function createTopology({ driver, settings, clock, logger }: TopologyParts): Topology {
  const map = settings.topology
  /** Topics that were there: one that is not any more was deleted. */
  const seen = new Set<string>()
  /** What was warned of already. */
  const warned = new Set<string>()

  async function create(planned: PlannedTopic): Promise<number> {
    const { topic } = planned
    // Another process may be faster, with another number: what is there then counts.
    await driver.createTopics([await asCreated(planned, driver, settings)])
    const wait: Wait = { clock, deadline: clock.monotonic() + leaderWaitMs }
    while (!isOver(wait)) {
      const count = await driver.partitionCount(topic).catch(undefinedIfPassing)
      if (count !== undefined) return count
      await pauseFor(leaderPollMs, wait)
    }
    throw new DriverError({ kind: 'unavailable', message: `Topic ${topic} was created and has no leaders yet` })
  }

  async function findOrCreate(planned: PlannedTopic): Promise<number | undefined> {
    const { topic, owner } = planned
    const mayCreate = map.mode === 'apply' && owner === 'ours'
    const count = (await find(topic)) ?? (seen.has(topic) ? await findAgain(topic, mayCreate) : undefined)
    return count === undefined && mayCreate ? create(planned) : count
  }

  /** A topic that was there may be missing for a moment only: of a broker that is behind. */
  async function findAgain(topic: string, mayCreate: boolean): Promise<number | undefined> {
    await pauseFor(mayCreate ? goneMs : behindMs, { clock, deadline: Infinity })
    const count = await find(topic)
    // Whoever asks next need not wait for the answer.
    if (count === undefined && !mayCreate) seen.delete(topic)
    return count
  }

  async function find(topic: string): Promise<number | undefined> {
    const count = await driver.partitionCount(topic)
    if (count !== undefined) seen.add(topic)
    return count
  }

  function persistently<T>(attempt: () => Promise<T>, options: SendOptions): Promise<Repeated<T>> {
    return repeat(attempt, { ...options, clock, backoff: settings.reconnect, isPassing })
  }

  async function ensure(plan: readonly PlannedTopic[], options: SendOptions): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const planned of plan) {
      const outcome = await persistently(() => findOrCreate(planned), options)
      if (!('value' in outcome)) throw failure(planned.topic, outcome, options)
      if (outcome.value !== undefined) counts.set(planned.topic, outcome.value)
    }
    return counts
  }

  function failure(topic: string, { error, late }: { error: unknown; late: boolean }, options: SendOptions): Error {
    if (options.signal?.aborted === true) return endedError(settings.brokers, "the caller's signal fired")
    const isForbidden = error instanceof DriverError && error.kind === 'authorization'
    // A broker that went away, or that does not let us in, says nothing about the topic.
    if (late || isForbidden || isOutage(error)) return connectError(settings, error)
    return cannotCreateError(topic, error)
  }

  /** Refuses topics with which messages would be lost; tells of others once. */
  async function inspect(plan: readonly PlannedTopic[], options: SendOptions): Promise<void> {
    const topics = plan.map(({ topic }) => topic)
    const outcome = await persistently(() => driver.describeTopics(topics), options)
    if (!('value' in outcome)) throw failure(topics.join(', '), outcome, options)
    const weak = new Map<string, string[]>()
    for (const planned of plan) {
      const facts = outcome.value.get(planned.topic)
      if (facts === undefined) continue
      const { differences, warnings, weakness } = inspectTopic(planned, facts, settings)
      if (differences.length > 0) throw mismatchError(planned.topic, differences)
      for (const warning of warnings) warn(warning)
      if (weakness !== undefined) weak.set(weakness, [...(weak.get(weakness) ?? []), planned.topic])
    }
    for (const [weakness, names] of weak) {
      warn(`confirmed messages can be lost together with a broker (${weakness}; 3 and 2 are safe): ${names.join(', ')}`)
    }
  }

  function warn(warning: string): void {
    if (warned.has(warning)) return
    warned.add(warning)
    logger.warn({ event: 'kafka.topology' }, `Kafka: ${warning}`)
  }

  return {
    findOrCreate,
    async ensureDestinations(destinations, options) {
      if (map.mode === 'none') return
      const plan = destinations.map((destination) => map.planned({ destination }))
      refuseMissing(plan, await ensure(plan, options), map.mode)
      await inspect(plan, options)
    },
    async ensureSubscription(subscription, options) {
      const plan = map.plannedFor(subscription)
      const counts = await ensure(plan, options)
      // Without the topic that it reads there is nothing to subscribe to, whatever is left unchecked.
      const needed = subscription.source === 'dead' ? plan.slice(-1) : plan.slice(0, 1)
      refuseMissing(map.mode === 'none' ? needed : plan, counts, map.mode)
      if (map.mode !== 'none') await inspect(plan, options)
      return counts
    },
    async rungsOf(subscription) {
      const rungs = new Map<string, number>()
      for (const topic of await driver.topics()) {
        const delayMs = rungDelayMs(topic, subscription)
        if (delayMs !== undefined) rungs.set(topic, delayMs)
      }
      return rungs
    },
  }
}

function refuseMissing(plan: readonly PlannedTopic[], counts: ReadonlyMap<string, number>, mode: TopologyMode): void {
  const missing = plan.filter(({ topic }) => !counts.has(topic)).map(({ topic }) => topic)
  if (missing.length > 0) throw missingTopicsError(missing, mode)
}

/** What follows a destination has as many partitions, and is as safe and as roomy as its topic really is. */
export async function asCreated(
  planned: PlannedTopic,
  driver: KafkaDriver,
  { partitions }: Pick<Settings, 'partitions'>,
): Promise<TopicToCreate> {
  const { topic, like, replicationFactor, configs } = planned
  const facts = like === topic ? undefined : (await driver.describeTopics([like])).get(like)
  const ours = { topic, replicationFactor, configs, beside: facts === undefined ? undefined : like }
  if (facts === undefined) return { ...ours, partitions: planned.partitions ?? partitions }
  const { 'max.message.bytes': size = '0', 'min.insync.replicas': inSync } = facts.configs ?? {}
  const room = Math.max(Number(configs['max.message.bytes']), Number(size) + headerRoomBytes)
  return {
    ...ours,
    partitions: facts.partitions,
    replicationFactor: replicationFactor === -1 ? facts.replicationFactor : replicationFactor,
    configs: {
      ...configs,
      'max.message.bytes': `${room}`,
      // With fewer copies it could be more than there are.
      ...(inSync === undefined || replicationFactor !== -1 ? {} : { 'min.insync.replicas': inSync }),
    },
  }
}

function undefinedIfPassing(error: unknown): undefined {
  if (isPassing(error)) return undefined
  throw error
}
