import { boolean, mappingProblems, object, oneOf, scalars, text, wholeNumber } from '@posthorn/core/adapter'
import type { OptionRule } from '@posthorn/core/adapter'

/** Whether Posthorn creates the topics that it uses, compares them, or trusts that they are there. */
export type TopologyMode = 'apply' | 'verify' | 'none'

/** Settings of a topic by Kafka's names: `retention.ms`, `cleanup.policy`, `min.insync.replicas`. */
export type TopicConfigs = Readonly<Record<string, string | number | boolean>>

/** How topics are created, and which destinations and groups stand for topics and groups that exist already. */
export interface TopologyOptions {
  /**
   * `apply` creates the topics that are missing; `verify` creates nothing and refuses what is missing or different;
   * `none` trusts that everything is there. Existing topics are never changed.
   * @default 'apply'
   */
  readonly mode?: TopologyMode
  /**
   * How long dead letters are kept in topics that we create, in milliseconds; -1 is for ever. Lower saves disk, and
   * loses dead letters that nobody looked at in time.
   * @default -1
   */
  readonly deadRetentionMs?: number
  /**
   * How long retries are kept beyond their delay in topics that we create, in milliseconds (7 days unless said
   * otherwise); -1 is for ever. It bounds how long a group may be down without losing them; what was retried stays on the
   * disk as long.
   * @default 604_800_000
   */
  readonly retryRetentionMs?: number
  /**
   * Topics of single destinations, by name.
   * @default every destination is a topic of its name
   */
  readonly destinations?: Readonly<Record<string, DestinationMapping>>
  /**
   * Groups that exist already, by `<destination>.<group>`.
   * @default every group has the name `<destination>.<group>`
   */
  readonly groups?: Readonly<Record<string, GroupMapping>>
}

/** The topic of one destination. */
export interface DestinationMapping {
  /**
   * The topic that stands for the destination.
   * @default the destination's name
   */
  readonly topic?: string
  /**
   * Whether the topic is ours to create. What is not is only checked for being there.
   * @default true, and false when `topic` is given
   */
  readonly declare?: boolean
  /**
   * Partitions of the topic, where it is created.
   * @default that of `createKafka`
   */
  readonly partitions?: number
  /**
   * Copies of each partition, where the topic is created; -1 is the broker's default.
   * @default that of `createKafka`
   */
  readonly replicationFactor?: number
  /**
   * Settings to create the topic with.
   * @default room for the longest body, `cleanup.policy` `delete`
   */
  readonly configs?: TopicConfigs
}

/** One group as Kafka knows it. */
export interface GroupMapping {
  /**
   * The consumer group that reads the destination's topic: one that exists goes on where it stands.
   * @default `<destination>.<group>`
   */
  readonly groupId?: string
  /**
   * The topic of the group's dead letters, which Posthorn creates and writes.
   * @default `<destination>.<group>.dead`
   */
  readonly deadTopic?: string
}

/** Kafka's own limit. */
const maxTopicLength = 249

const topicName: OptionRule = (value, path) =>
  typeof value === 'string' && value.length <= maxTopicLength && /^(?!\.\.?$)[A-Za-z0-9._-]+$/.test(value)
    ? undefined
    : `${path} must be a name that Kafka takes for a topic`

export const orMinusOne =
  (rule: OptionRule): OptionRule =>
  (value, path) =>
    value === -1 ? undefined : rule(value, path)?.replace(' must be ', ' must be -1 or ')

const retention = orMinusOne(wholeNumber(60_000))

export const topologyRules: Readonly<Record<keyof TopologyOptions, OptionRule>> = {
  mode: oneOf('apply', 'verify', 'none'),
  deadRetentionMs: retention,
  retryRetentionMs: retention,
  destinations: object,
  groups: object,
}

const destinationRules: Readonly<Record<keyof DestinationMapping, OptionRule>> = {
  topic: topicName,
  declare: boolean,
  partitions: wholeNumber(1, 100_000),
  replicationFactor: orMinusOne(wholeNumber(1, 32_767)),
  configs: scalars,
}

const groupRules: Readonly<Record<keyof GroupMapping, OptionRule>> = { groupId: text, deadTopic: topicName }

/** Lists everything that is wrong with the option `topology`. */
export function topologyProblems(given: unknown): string[] {
  const problems = mappingProblems<DestinationMapping, GroupMapping>(given, {
    rules: topologyRules,
    destination: destinationRules,
    group: groupRules,
    ofDestination: unusedSettings,
    ofGroup: () => [],
  })
  if (problems.length > 0 || typeof given !== 'object') return problems
  return sharedGroupIds((given as TopologyOptions).groups ?? {})
}

function unusedSettings(path: string, mapping: DestinationMapping): string[] {
  if (mapping.declare ?? mapping.topic === undefined) return []
  return (['partitions', 'replicationFactor', 'configs'] as const)
    .filter((key) => mapping[key] !== undefined)
    .map((key) => `${path}.${key} has no effect without declare`)
}

/** kafkajs' assigner does not look at what a member subscribes to: a group with two topics leaves one of them unread. */
function sharedGroupIds(groups: Readonly<Record<string, GroupMapping>>): string[] {
  const seen = new Map<string, string>()
  const problems: string[] = []
  for (const [name, mapping] of Object.entries(groups)) {
    const { groupId } = typeof mapping === 'object' && mapping !== null ? mapping : {}
    if (groupId === undefined) continue
    const other = seen.get(groupId)
    if (other === undefined) seen.set(groupId, name)
    else problems.push(`topology.groups: '${other}' and '${name}' must not have the same groupId '${groupId}'`)
  }
  return problems
}
