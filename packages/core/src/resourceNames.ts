import type { Target } from './ports.js'

/** The names of a group's queues or topics: `orders.billing`, `orders.billing.retry.5000`, `orders.billing.dead`. */
export const resourceNames = {
  group: (destination: string, group: string): string => `${destination}.${group}`,
  retry: (destination: string, group: string, delayMs: number): string => `${destination}.${group}.retry.${delayMs}`,
  dead: (destination: string, group: string): string => `${destination}.${group}.dead`,
}

/** The name of what a target addresses, the same on every broker. */
export function targetName(target: Target): string {
  if ('destination' in target) return target.destination
  if ('retry' in target) return resourceNames.retry(target.retry.destination, target.retry.group, target.retry.delayMs)
  if ('dead' in target) return resourceNames.dead(target.dead.destination, target.dead.group)
  return resourceNames.group(target.group.destination, target.group.group)
}
