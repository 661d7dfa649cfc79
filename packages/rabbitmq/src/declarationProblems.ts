import type { Declaration, Subscription } from '@posthorn/core/adapter'
import { maxRungMs, planTopology } from './topology.js'
import type { TopologyItem } from './topology.js'
import { unroutedQueue } from './topologyMap.js'
import type { TopologyMap } from './topologyMap.js'

/** Longest name of a queue or exchange and longest routing key, in bytes. */
const maxNameBytes = 255

/** Lists in plain words what RabbitMQ cannot honour of a declaration, without I/O. */
export function declarationProblems(declaration: Declaration, map: TopologyMap): readonly string[] {
  const { subscriptions } = declaration
  const unusable = subscriptions.flatMap((subscription) => mappingProblems(subscription, map))
  // A plan of what cannot work would only repeat it in other words.
  if (unusable.length > 0) return [...new Set(unusable)]
  const plan = planTopology(declaration, map)
  const problems = [
    ...plan.map(nameProblem),
    ...clashes(plan),
    ...sharedQueues(subscriptions, map),
    ...subscriptions
      .flatMap(({ rungsMs }) => rungsMs)
      .filter((delayMs) => delayMs < 1 || delayMs > maxRungMs)
      .map((delayMs) => `a retry delay of ${delayMs} ms: RabbitMQ's queue TTL takes 1 to ${maxRungMs} ms`),
  ]
  return [...new Set(problems.filter((problem) => problem !== undefined))]
}

function nameProblem(item: TopologyItem): string | undefined {
  const what = item.kind === 'binding' ? `type "${item.routingKey}"` : `${item.kind} "${item.name}"`
  const name = item.kind === 'binding' ? item.routingKey : item.name
  if (Buffer.byteLength(name) > maxNameBytes) return `${what}: RabbitMQ takes names of ${maxNameBytes} bytes`
  if (item.kind !== 'binding' && item.owner === 'ours' && name.startsWith('amq.'))
    return `${what}: names that begin with amq. are RabbitMQ's own`
  return undefined
}

/** What cannot be subscribed to as it is mapped. */
function mappingProblems(subscription: Subscription, map: TopologyMap): string[] {
  if (subscription.source === 'dead') return []
  const { destination, group, ordered, types } = subscription
  const { exchange, fixedKey, keyOf } = map.routeOf(destination)
  const queues = map.queuesOf(subscription)
  const name = `group ${group} of ${destination}`
  const problems: string[] = []
  if (map.unrouted !== undefined && queues.work === unroutedQueue(destination)) {
    problems.push(`${name}: its queue is the one in which unrouted messages are kept; name the group otherwise`)
  }
  if (ordered && queues.arguments !== undefined && queues.arguments['x-single-active-consumer'] !== true) {
    problems.push(`${name} is ordered: its arguments need 'x-single-active-consumer': true`)
  }
  if (exchange.name === '') {
    if (queues.bindings !== undefined && queues.bindings.length > 0) {
      problems.push(`${name}: nothing can be bound to the default exchange`)
    }
    if (fixedKey === undefined && queues.owner !== 'existing') {
      problems.push(`${name}: the routing key of its destination is a function; name its queue`)
    }
    if (fixedKey !== undefined && queues.work !== fixedKey) {
      problems.push(`${name}: the default exchange routes to the queue "${fixedKey}", not to "${queues.work}"`)
    }
    return problems
  }
  if (queues.bindings !== undefined) return problems
  if (exchange.type === 'headers') {
    problems.push(`${name}: a headers exchange routes by headers; give the group bindings with arguments`)
  } else if (types === 'all' && fixedKey === undefined && exchange.type !== 'topic' && exchange.type !== 'fanout') {
    problems.push(`${name} wants every type, and a ${exchange.type} exchange has no binding for that; give bindings`)
  } else if (types !== 'all') problems.push(...keyProblems(name, types, keyOf))
  return problems
}

function keyProblems(name: string, types: readonly string[], keyOf: (type: string) => string): string[] {
  return types.flatMap((type) => {
    try {
      keyOf(type)
      return []
    } catch (error) {
      return [`${name}: no routing key for "${type}": ${String(error)}`]
    }
  })
}

/** One thing that the plan would declare in two ways. */
function clashes(plan: readonly TopologyItem[]): string[] {
  const seen = new Set<string>()
  return plan.flatMap((item) => {
    if (item.kind === 'binding') return []
    const name = `${item.kind} "${item.name}"`
    if (!seen.has(name)) {
      seen.add(name)
      return []
    }
    return [`${name} is meant in two ways; map it once`]
  })
}

function sharedQueues(subscriptions: readonly Subscription[], map: TopologyMap): string[] {
  const users = new Map<string, string>()
  return subscriptions.flatMap((subscription) => {
    if (subscription.source === 'dead') return []
    const user = `${subscription.destination}.${subscription.group}`
    const { work } = map.queuesOf(subscription)
    const other = users.get(work)
    users.set(work, user)
    if (other === undefined || other === user) return []
    return [`groups ${other} and ${user} would share the queue "${work}": each message would reach one of them only`]
  })
}
