import type { TopologyItem, TopologyPlan } from './topology.js'
import type { TopologyArguments } from './topologyOptions.js'

/** Gives a plan as text, the same for the same plan: one line for each thing, its arguments below it. */
export function formatPlan({ items, warnings }: TopologyPlan): string {
  const lines = items.flatMap((item) => [headOf(item), ...argumentLines(item.arguments)])
  return [...lines, ...warnings.map((warning) => `warning   ${warning}`)].join('\n')
}

function headOf(item: TopologyItem): string {
  const note = item.owner === 'existing' ? ', must exist' : item.owner === 'process' ? ', of each process' : ''
  if (item.kind === 'exchange') return `exchange  ${item.name} (${item.type}, durable${note})`
  if (item.kind === 'binding') return `binding   ${item.exchange} -> ${item.queue} (${keyText(item.routingKey)}${note})`
  if (item.owner === 'existing') return `queue     ${item.name} (must exist)`
  return `queue     ${item.name} (${typeOf(item.arguments)}, ${item.durable ? 'durable' : 'transient'}${note})`
}

function keyText(routingKey: string): string {
  return routingKey === '' ? 'no key' : `key ${routingKey}`
}

function typeOf(given: TopologyArguments): string {
  return String(given['x-queue-type'] ?? 'classic')
}

function argumentLines(given: TopologyArguments): string[] {
  return Object.keys(given)
    .filter((name) => name !== 'x-queue-type')
    .toSorted()
    .map((name) => `            ${name}: ${JSON.stringify(given[name])}`)
}
