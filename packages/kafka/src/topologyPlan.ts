import type { Declaration } from '@posthorn/core/adapter'
import type { PlannedTopic, TopologyMap } from './topologyMap.js'

/** What a declaration needs on the cluster. */
export interface TopologyPlan {
  readonly items: readonly PlannedTopic[]
  /** Guarantees that the options give up, in plain words, and names that map nothing. */
  readonly warnings: readonly string[]
}

/** Every topic once, destinations before what follows them. Without I/O. */
export function planTopology(declaration: Declaration, map: TopologyMap): TopologyPlan {
  const { publishes, subscriptions } = declaration
  const groups = subscriptions.map((subscription) => map.plannedFor(subscription))
  const destinations = [...publishes.map((destination) => map.planned({ destination })), ...groups.map(([own]) => own)]
  const items = new Map<string, PlannedTopic>()
  for (const item of [...destinations, ...groups.flat()]) if (!items.has(item.topic)) items.set(item.topic, item)
  return { items: [...items.values()], warnings: [...unsafeSettings(items), ...unusedMappings(declaration, map)] }
}

function unsafeSettings(items: ReadonlyMap<string, PlannedTopic>): string[] {
  const warnings: string[] = []
  for (const { topic, replicationFactor, configs } of items.values()) {
    if (replicationFactor > 0 && replicationFactor < 3) {
      warnings.push(`topic "${topic}": ${replicationFactor} copies can be lost together with a broker; 3 are safe`)
    }
    if (configs['cleanup.policy']?.includes('compact') === true) {
      warnings.push(`topic "${topic}" is compacted: an event that a later one of its key replaces may never be handled`)
    }
  }
  return warnings
}

/** A typo in a name would map nothing, and create what nobody wanted. */
function unusedMappings({ publishes, subscriptions }: Declaration, map: TopologyMap): string[] {
  const groups = new Set(subscriptions.map(({ destination, group }) => `${destination}.${group}`))
  const destinations = new Set([...publishes, ...subscriptions.map(({ destination }) => destination)])
  return [
    ...map.mapped.destinations.filter((name) => !destinations.has(name)).map((name) => `destination ${name}`),
    ...map.mapped.groups.filter((name) => !groups.has(name)).map((name) => `group ${name}`),
  ].map((what) => `${what} is mapped, and nothing declared uses it`)
}
