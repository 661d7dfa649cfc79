import { resourceNames } from '@posthorn/core/adapter'
import type { Subscription } from '@posthorn/core/adapter'

/** The delay of a retry topic of the group, or undefined when the topic is none. */
export function rungDelayMs(
  topic: string,
  { destination, group }: Pick<Subscription, 'destination' | 'group'>,
): number | undefined {
  const prefix = resourceNames.retry(destination, group, 0).slice(0, -1)
  if (!topic.startsWith(prefix)) return undefined
  const delay = topic.slice(prefix.length)
  return /^(0|[1-9]\d{0,14})$/.test(delay) ? Number(delay) : undefined
}
