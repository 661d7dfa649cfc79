import { resourceNames } from '@posthorn/core/adapter'
import type { Subscription, Target } from '@posthorn/core/adapter'
import type { DestinationMapping, GroupMapping, TopologyMode, TopologyOptions } from './topologyOptions.js'

/** What a topic is for. */
export type TopicUse = 'destination' | 'retry' | 'dead'

/** A topic, and how it is created where it is missing. */
export interface PlannedTopic {
  readonly topic: string
  readonly use: TopicUse
  /** The destination's topic, which says how many partitions and copies the others get; for a destination itself. */
  readonly like: string
  /** `existing`: it must be there, and nothing of it is ours. */
  readonly owner: 'ours' | 'existing'
  /** Of a destination's topic that we create; the others have as many as their destination. */
  readonly partitions: number | undefined
  /** -1 is the broker's default. */
  readonly replicationFactor: number
  readonly configs: Readonly<Record<string, string>>
  /** Those of `configs` that options name. */
  readonly asked: Readonly<Record<string, string>>
  /** Of a retry topic only. */
  readonly delayMs: number | undefined
}

type GroupOf = Pick<Subscription, 'destination' | 'group'>

/** Which topics and groups stand for what. Pure. */
export interface TopologyMap {
  readonly mode: TopologyMode
  /** The destinations and groups that options name. */
  readonly mapped: { readonly destinations: readonly string[]; readonly groups: readonly string[] }
  /** For every publish: cheap. */
  topicOf(target: Target): string
  planned(target: Target): PlannedTopic
  /** The topics of a group, the destination's first. The retry topic without delay always exists: replays use it. */
  plannedFor(subscription: Subscription): [PlannedTopic, ...PlannedTopic[]]
  /** The group that reads a topic of a subscription: never several topics in one group. */
  groupIdOf(subscription: GroupOf, topic: string): string
}

/** What the map needs of the other options. */
export interface TopologyDefaults {
  readonly partitions: number
  readonly replicationFactor: number
  readonly maxBodyBytes: number
  readonly maxBatchBytes: number
}

/**
 * Kafka counts key and headers towards the size of a message. Ours stay below this, the stack of an error included; a copy
 * has those of its original as well.
 */
export const headerRoomBytes = 131_072
/** What brokers take unless told otherwise: never less. */
const brokerMaxMessageBytes = 1_048_588
const defaultRetryRetentionMs = 604_800_000

/** Works on options that were checked. */
export function createTopologyMap(options: TopologyOptions, defaults: TopologyDefaults): TopologyMap {
  const destinations = new Map(Object.entries(options.destinations ?? {}))
  const groups = new Map(Object.entries(options.groups ?? {}))
  const { deadRetentionMs = -1, retryRetentionMs = defaultRetryRetentionMs } = options
  const { maxBodyBytes, maxBatchBytes } = defaults
  const destinationBytes = Math.max(brokerMaxMessageBytes, maxBatchBytes, maxBodyBytes + headerRoomBytes)

  const mappingOf = ({ destination, group }: GroupOf): GroupMapping =>
    groups.get(resourceNames.group(destination, group)) ?? {}
  const topicOfDestination = (destination: string): string => destinations.get(destination)?.topic ?? destination
  const deadTopicOf = (group: GroupOf): string =>
    mappingOf(group).deadTopic ?? resourceNames.dead(group.destination, group.group)

  function plannedDestination(destination: string): PlannedTopic {
    const mapping: DestinationMapping = destinations.get(destination) ?? {}
    const topic = topicOfDestination(destination)
    const isOurs = mapping.declare ?? mapping.topic === undefined
    const configs = { 'cleanup.policy': 'delete', 'max.message.bytes': `${destinationBytes}`, ...mapping.configs }
    return {
      topic,
      use: 'destination',
      like: topic,
      owner: isOurs ? 'ours' : 'existing',
      partitions: isOurs ? (mapping.partitions ?? defaults.partitions) : undefined,
      replicationFactor: mapping.replicationFactor ?? defaults.replicationFactor,
      configs: isOurs ? asTexts(configs) : {},
      asked: asTexts(mapping.configs ?? {}),
      delayMs: undefined,
    }
  }

  function copyTopic(topic: string, destination: string, delayMs: number | undefined): PlannedTopic {
    const keepMs = delayMs === undefined ? deadRetentionMs : retryRetentionMs === -1 ? -1 : retryRetentionMs + delayMs
    return {
      topic,
      use: delayMs === undefined ? 'dead' : 'retry',
      like: topicOfDestination(destination),
      owner: 'ours',
      partitions: undefined,
      replicationFactor: defaults.replicationFactor,
      configs: {
        // A compacted one would keep only the last copy of a key.
        'cleanup.policy': 'delete',
        'max.message.bytes': `${destinationBytes + headerRoomBytes}`,
        'retention.ms': `${keepMs}`,
        'retention.bytes': '-1',
      },
      asked: {},
      delayMs,
    }
  }

  const rung = ({ destination, group }: GroupOf, delayMs: number): PlannedTopic =>
    copyTopic(resourceNames.retry(destination, group, delayMs), destination, delayMs)
  const dead = (group: GroupOf): PlannedTopic => copyTopic(deadTopicOf(group), group.destination, undefined)

  return {
    mode: options.mode ?? 'apply',
    mapped: { destinations: [...destinations.keys()], groups: [...groups.keys()] },
    topicOf(target) {
      if ('destination' in target) return topicOfDestination(target.destination)
      if ('dead' in target) return deadTopicOf(target.dead)
      // A replay to one group goes through the group's retry topic without delay.
      const { destination, group, delayMs } = 'retry' in target ? target.retry : { ...target.group, delayMs: 0 }
      return resourceNames.retry(destination, group, delayMs)
    },
    planned(target) {
      if ('destination' in target) return plannedDestination(target.destination)
      if ('dead' in target) return dead(target.dead)
      return 'retry' in target ? rung(target.retry, target.retry.delayMs) : rung(target.group, 0)
    },
    plannedFor(subscription) {
      const rungs = [...new Set([0, ...subscription.rungsMs])].map((delayMs) => rung(subscription, delayMs))
      return [plannedDestination(subscription.destination), ...rungs, dead(subscription)]
    },
    groupIdOf(subscription, topic) {
      const { destination, group } = subscription
      if (topic !== topicOfDestination(destination)) return topic
      return mappingOf(subscription).groupId ?? resourceNames.group(destination, group)
    },
  }
}

function asTexts(configs: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(configs).map(([name, value]) => [name, String(value)]))
}
