import { boolean, ConfigurationError, optionProblems, wholeNumber } from '@posthorn/core/adapter'
import type { Declaration, Subscription } from '@posthorn/core/adapter'
import type { KafkaDriver } from './driver/driver.js'
import type { TopologyCallOptions } from './topologyCall.js'
import { rungDelayMs } from './topicNames.js'
import type { TopologyMap } from './topologyMap.js'

/** How a prune goes about it. */
export interface PruneOptions extends TopologyCallOptions {
  /** Finds, and removes nothing. @default false */
  readonly dryRun?: boolean
  /**
   * Says that no process of a release with these rungs runs any more. Otherwise a rung is deleted only while nobody
   * consumes for its group: such a process could send a retry into it in that moment. @default false
   */
  readonly isLastReleaseGone?: boolean
}

/** A rung that no ladder has any more. */
export interface StaleItem {
  readonly kind: 'topic'
  readonly name: string
  /** What is there and was not handled. */
  readonly messageCount: number
}

/** What a prune found and did. */
export interface PruneReport {
  readonly removed: readonly StaleItem[]
  readonly kept: readonly { readonly item: StaleItem; readonly reason: string }[]
}

interface PruneParts {
  readonly driver: KafkaDriver
  readonly map: TopologyMap
}

const rules = {
  dryRun: boolean,
  isLastReleaseGone: boolean,
  deadlineMs: wholeNumber(1),
  signal: () => undefined,
  logger: () => undefined,
}

/** Removes the rungs that are stale and empty; every other stale one is reported with the reason why it stays. */
export async function pruneTopology(
  parts: PruneParts,
  declaration: Declaration,
  options: PruneOptions,
): Promise<PruneReport> {
  const problems = optionProblems('', options, rules)
  if (problems.length > 0) throw new ConfigurationError('prune', problems)
  const topics = await parts.driver.topics()
  const removed: StaleItem[] = []
  const kept: { item: StaleItem; reason: string }[] = []
  for (const group of declaration.subscriptions.filter(({ source }) => source === 'work')) {
    for (const name of topics.filter((topic) => isStale(topic, group)).toSorted()) {
      const item: StaleItem = { kind: 'topic', name, messageCount: await messagesIn(name, parts.driver) }
      const reason = await whyKept(item, group, { ...parts, options })
      if (reason !== undefined) {
        kept.push({ item, reason })
        continue
      }
      await parts.driver.deleteTopic(name)
      removed.push(item)
    }
  }
  return { removed, kept }
}

/** The one without delay is never stale: replays use it. */
function isStale(topic: string, group: Subscription): boolean {
  const delayMs = rungDelayMs(topic, group)
  return delayMs !== undefined && delayMs !== 0 && !group.rungsMs.includes(delayMs)
}

/** By what its group has committed, which is what was retried to its end. */
async function messagesIn(topic: string, driver: KafkaDriver): Promise<number> {
  const [committed, logs] = await Promise.all([driver.committed(topic, topic), driver.logOffsets(topic)])
  let messages = 0
  for (const [partition, { low, high }] of logs) {
    messages += high - Math.max(low, committed.get(partition)?.offset ?? low)
  }
  return messages
}

async function whyKept(
  { name, messageCount }: StaleItem,
  group: Subscription,
  { driver, map, options }: PruneParts & { readonly options: PruneOptions },
): Promise<string | undefined> {
  const { dryRun = false, isLastReleaseGone = false } = options
  if (dryRun) return 'it was only looked for'
  if (messageCount > 0) return 'it holds messages; run the service until they are retried'
  if (isLastReleaseGone) return undefined
  const work = map.groupIdOf(group, map.topicOf({ destination: group.destination }))
  for (const groupId of [work, name]) {
    if ((await driver.memberCount(groupId)) > 0) {
      return 'its group is consuming, perhaps in a process of the last release; stop the group, or say isLastReleaseGone'
    }
  }
  return undefined
}
