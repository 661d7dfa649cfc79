import type { TopologyPlan } from './topologyPlan.js'
import type { PlannedTopic } from './topologyMap.js'

/** Gives a plan as text, the same for the same plan: one line for each topic, its settings below it. */
export function formatPlan({ items, warnings }: TopologyPlan): string {
  const lines = items.flatMap((item) => [headOf(item), ...configLines(item.configs)])
  return [...lines, ...warnings.map((warning) => `warning   ${warning}`)].join('\n')
}

function headOf({ topic, owner, like, partitions, replicationFactor }: PlannedTopic): string {
  if (owner === 'existing') return `topic     ${topic} (must exist)`
  const spread = partitions === undefined ? `partitions as ${like}` : `${partitions} partitions`
  const copies = replicationFactor === -1 ? (topic === like ? 'default' : `as ${like}`) : `${replicationFactor}`
  return `topic     ${topic} (${spread}, copies: ${copies})`
}

function configLines(configs: PlannedTopic['configs']): string[] {
  return Object.keys(configs)
    .toSorted()
    .map((name) => `            ${name}: ${configs[name]}`)
}
