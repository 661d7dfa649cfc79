import { resourceNames, targetName } from '@posthorn/core/adapter'
import type { Subscription, Target } from '@posthorn/core/adapter'

/** The topic of a target. A replay to one group goes through the group's retry topic without delay. */
export function topicOf(target: Target): string {
  if ('group' in target) return resourceNames.retry(target.group.destination, target.group.group, 0)
  return targetName(target)
}

/** The destination that a target belongs to; its topic says how many partitions the others get. */
export function destinationOf(target: Target): string {
  if ('destination' in target) return target.destination
  if ('retry' in target) return target.retry.destination
  return 'dead' in target ? target.dead.destination : target.group.destination
}

/** The topics of a group, the destination's first. The retry topic without delay always exists: replays use it. */
export function topicsOf({ destination, group, rungsMs }: Subscription): string[] {
  const rungs = [0, ...rungsMs].map((delayMs) => resourceNames.retry(destination, group, delayMs))
  return [destination, ...new Set(rungs), resourceNames.dead(destination, group)]
}

/** The delay of a retry topic of the group, or undefined when the topic is none. */
export function rungDelayMs(topic: string, { destination, group }: Subscription): number | undefined {
  const prefix = resourceNames.retry(destination, group, 0).slice(0, -1)
  if (!topic.startsWith(prefix)) return undefined
  const delay = topic.slice(prefix.length)
  return /^(0|[1-9]\d{0,14})$/.test(delay) ? Number(delay) : undefined
}
