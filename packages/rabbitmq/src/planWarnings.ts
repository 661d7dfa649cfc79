import type { Declaration, Subscription } from '@posthorn/core/adapter'
import type { GroupQueues, TopologyMap } from './topologyMap.js'

/** Says in plain words which guarantees a mapping gives up, as far as it can be seen without asking the broker. */
export function planWarnings(declaration: Declaration, map: TopologyMap): readonly string[] {
  return [
    ...declaration.subscriptions.flatMap((subscription) => groupWarnings(subscription, map)),
    ...unusedMappings(declaration, map),
  ]
}

/** Those of one group. */
export function groupWarnings({ destination, group, source, ordered }: Subscription, map: TopologyMap): string[] {
  if (source === 'dead') return []
  const queues = map.queuesOf({ destination, group })
  const name = `${destination}.${group}`
  if (queues.expiresMs !== undefined) {
    return [`${name}: its queues are temporary: what is in one when its process ends is gone`]
  }
  if (queues.owner === 'existing') {
    const warnings = [
      `${name}: the queue "${queues.work}" is not ours: whether it is durable, refuses when full (x-overflow: ` +
        'reject-publish) and has a dead-letter target cannot be seen with AMQP',
    ]
    if (ordered) warnings.push(`${name}: order over several processes needs x-single-active-consumer on that queue`)
    return warnings
  }
  return queues.arguments === undefined ? [] : ownArgumentsWarnings(name, queues, queues.arguments)
}

function ownArgumentsWarnings(name: string, queues: GroupQueues, given: GroupQueues['arguments'] & object): string[] {
  const warnings: string[] = []
  const queue = `the queue "${queues.work}"`
  if (!queues.durable) warnings.push(`${name}: ${queue} does not survive a restart of the broker`)
  if (given['x-queue-type'] !== 'quorum') {
    warnings.push(`${name}: ${queue} is not a quorum queue: it is lost with its node, and counts no crashes`)
  }
  if (given['x-dead-letter-exchange'] === undefined) {
    warnings.push(`${name}: ${queue} has no dead-letter target: what the broker itself gives up is dropped`)
  }
  if (given['x-message-ttl'] !== undefined) {
    warnings.push(`${name}: ${queue} has x-message-ttl: messages leave it unhandled when it is slow`)
  }
  return warnings
}

/** A typo in a name would map nothing, and declare what nobody wanted. */
function unusedMappings({ publishes, subscriptions }: Declaration, map: TopologyMap): string[] {
  const groups = new Set(subscriptions.map(({ destination, group }) => `${destination}.${group}`))
  const destinations = new Set([...publishes, ...subscriptions.map(({ destination }) => destination)])
  return [
    ...map.mapped.destinations.filter((name) => !destinations.has(name)).map((name) => `destination ${name}`),
    ...map.mapped.groups.filter((name) => !groups.has(name)).map((name) => `group ${name}`),
  ].map((what) => `${what} is mapped, and nothing declared uses it`)
}
