import type { Clock, SendOptions, Subscription } from '@posthorn/core/adapter'
import { isOver, pauseFor, repeat } from './byDeadline.js'
import type { Repeated, Wait } from './byDeadline.js'
import type { KafkaDriver } from './driver/driver.js'
import { DriverError, isPassing } from './driver/driverError.js'
import { cannotCreateError, connectError, endedError, missingTopicsError } from './errorMapping.js'
import type { Settings } from './options.js'
import { destinationOf, rungDelayMs, topicOf, topicsOf } from './topicNames.js'
import type { Target } from '@posthorn/core/adapter'

/** A topic, and where the number of its partitions comes from. */
export interface PlannedTopic {
  readonly topic: string
  /** The topic of the destination that it belongs to. */
  readonly like: string
}

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
const leaderWaitMs = 10_000

export function plannedFor(target: Target): PlannedTopic {
  return { topic: topicOf(target), like: destinationOf(target) }
}

export function createTopology(driver: KafkaDriver, settings: Settings, clock: Clock): Topology {
  const { topology, replicationFactor } = settings

  async function create({ topic, like }: PlannedTopic): Promise<number> {
    const likeCount = like === topic ? undefined : await driver.partitionCount(like)
    const partitions = likeCount ?? settings.partitions
    const beside = likeCount === undefined ? undefined : like
    // Another process may be faster, with another number: what is there then counts.
    await driver.createTopics([{ topic, partitions, replicationFactor, beside }])
    const wait: Wait = { clock, deadline: clock.monotonic() + leaderWaitMs }
    while (!isOver(wait)) {
      const count = await driver.partitionCount(topic).catch(undefinedIfPassing)
      if (count !== undefined) return count
      await pauseFor(leaderPollMs, wait)
    }
    throw new DriverError({ kind: 'unavailable', message: `Topic ${topic} was created and has no leaders yet` })
  }

  async function findOrCreate(planned: PlannedTopic): Promise<number | undefined> {
    const count = await driver.partitionCount(planned.topic)
    return count ?? (topology === 'apply' ? create(planned) : undefined)
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
    const kind = error instanceof DriverError ? error.kind : undefined
    // A broker that went away says nothing about the topic.
    if (late || kind === 'authentication' || isPassing(error)) return connectError(settings.brokers, error)
    return cannotCreateError(topic, error)
  }

  return {
    findOrCreate,
    async ensureDestinations(destinations, options) {
      if (topology === 'none') return
      const plan = destinations.map((topic) => ({ topic, like: topic }))
      refuseMissing(plan, await ensure(plan, options), topology)
    },
    async ensureSubscription(subscription, options) {
      const { destination, source } = subscription
      const [own, ...others] = topicsOf(subscription).map((topic) => ({ topic, like: destination }))
      const plan = [own!, ...others]
      const counts = await ensure(plan, options)
      // Without the topic that it reads there is nothing to subscribe to, whatever is left unchecked.
      const needed = source === 'dead' ? plan.slice(-1) : [own!]
      refuseMissing(topology === 'none' ? needed : plan, counts, topology)
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

function refuseMissing(
  plan: readonly PlannedTopic[],
  counts: ReadonlyMap<string, number>,
  topology: Settings['topology'],
): void {
  const missing = plan.filter(({ topic }) => !counts.has(topic)).map(({ topic }) => topic)
  if (missing.length > 0) throw missingTopicsError(missing, topology)
}

function undefinedIfPassing(error: unknown): undefined {
  if (isPassing(error)) return undefined
  throw error
}
