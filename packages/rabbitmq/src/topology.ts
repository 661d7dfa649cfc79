import type { Declaration, Subscription } from '@posthorn/core/adapter'
import { unroutedQueue } from './topologyMap.js'
import type { ExchangeFacts, GroupQueues, Owner, TopologyMap, UnroutedBounds } from './topologyMap.js'
import type { BindingMapping, TopologyArguments } from './topologyOptions.js'

/** Something that must exist on the broker. */
export type TopologyItem = ExchangeItem | QueueItem | BindingItem

export interface ExchangeItem extends ExchangeFacts {
  readonly kind: 'exchange'
}

export interface QueueItem {
  readonly kind: 'queue'
  readonly name: string
  readonly durable: boolean
  readonly arguments: TopologyArguments
  readonly owner: Owner
}

export interface BindingItem {
  readonly kind: 'binding'
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly arguments: TopologyArguments
  readonly owner: Owner
}

/** Everything that a declaration needs on the broker. */
export interface TopologyPlan {
  /** In an order in which they can be declared. */
  readonly items: readonly TopologyItem[]
  /** Which guarantees the mapping gives up, and what it maps for nobody. */
  readonly warnings: readonly string[]
}

/** Longest `x-message-ttl` that RabbitMQ takes, in milliseconds (32 bits). */
export const maxRungMs = 4_294_967_295

/**
 * The broker's own limit for crash loops, only a net behind ours. From the first declaration on, and never another
 * number: changing it is a 406.
 */
const workDeliveryLimit = 100

/**
 * A dead-letter queue has nothing behind it: at the limit the broker would drop the message. RabbitMQ 4 defaults to 20,
 * `-1` is refused by 3.x, so it gets a number that nobody reaches.
 */
const endlessDeliveryLimit = 1_000_000_000

/**
 * The whole plan of a declaration, pure and without duplicates, in an order in which it can be applied: targets of dead
 * letters before the queues that point at them. Publishers need exchanges only, consumers their queues and what they
 * bind to. Bindings of types that are no longer handled are not in it and stay: a process of the last release may run
 * beside us.
 */
export function planTopology(declaration: Declaration, map: TopologyMap): readonly TopologyItem[] {
  const items = [
    ...declaration.publishes.flatMap((destination) => publisherItems(destination, map)),
    ...declaration.subscriptions.flatMap((subscription) => {
      const queues = map.queuesOf(subscription)
      return subscription.source === 'dead' ? [deadQueue(queues)] : workItems(subscription, queues, map)
    }),
  ]
  const unique = new Map(items.map((item) => [JSON.stringify(item), item]))
  return [...unique.values()]
}

/** What a publish to an exchange needs: that exchange, and nothing where it is the default one. */
export function planExchange(name: string, map: TopologyMap): readonly TopologyItem[] {
  return exchangeItems(map.exchangeNamed(name))
}

/** Where events are kept that no queue took; a reader of it loses nothing, and a full one refuses. */
export function planUnrouted(destination: string, { maxCount, maxAgeMs }: UnroutedBounds): QueueItem {
  return ownQueue(unroutedQueue(destination), {
    ...quorum,
    'x-delivery-limit': endlessDeliveryLimit,
    'x-max-length': maxCount,
    ...(maxAgeMs === undefined ? {} : { 'x-message-ttl': maxAgeMs }),
  })
}

function publisherItems(destination: string, map: TopologyMap): TopologyItem[] {
  const items = exchangeItems(map.routeOf(destination).exchange)
  return map.unrouted === undefined ? items : [...items, planUnrouted(destination, map.unrouted)]
}

function exchangeItems(exchange: ExchangeFacts): TopologyItem[] {
  return exchange.name === '' ? [] : [{ kind: 'exchange', ...exchange }]
}

function workItems(subscription: Subscription, queues: GroupQueues, map: TopologyMap): TopologyItem[] {
  const { destination, rungsMs } = subscription
  const { exchange } = map.routeOf(destination)
  const work: QueueItem = {
    kind: 'queue',
    name: queues.work,
    durable: queues.durable,
    arguments: queues.owner === 'existing' ? {} : workArguments(subscription, queues),
    owner: queues.owner,
  }
  const bindings = exchange.name === '' ? [] : bindingsOf(subscription, queues, map)
  return [
    deadQueue(queues),
    work,
    ...rungsMs.flatMap((delayMs) => rungItems(delayMs, queues)),
    // An exchange that nobody here binds to is its publisher's.
    ...(bindings.length === 0 ? [] : exchangeItems(exchange)),
    ...bindings.map((binding): TopologyItem => ({
      kind: 'binding',
      queue: queues.work,
      exchange: exchange.name,
      routingKey: binding.routingKey ?? '',
      arguments: binding.arguments ?? {},
      owner: queues.owner === 'process' ? 'process' : 'ours',
    })),
  ]
}

function workArguments({ ordered }: Subscription, queues: GroupQueues): TopologyArguments {
  if (queues.arguments !== undefined) return queues.arguments
  return {
    ...quorum,
    ...deadLettersTo(queues.dead),
    'x-delivery-limit': workDeliveryLimit,
    ...(ordered ? { 'x-single-active-consumer': true } : {}),
    ...(queues.expiresMs === undefined ? {} : { 'x-expires': queues.expiresMs }),
  }
}

/** A binding for each type, as the exchange's type compares keys. */
function bindingsOf({ destination, types }: Subscription, queues: GroupQueues, map: TopologyMap): BindingMapping[] {
  if (queues.bindings !== undefined) return [...queues.bindings]
  const { exchange, fixedKey, keyOf } = map.routeOf(destination)
  if (exchange.type === 'fanout') return [{}]
  if (fixedKey !== undefined) return [{ routingKey: fixedKey }]
  if (types === 'all') return [{ routingKey: '#' }]
  return [...new Set(types.map(keyOf))].map((routingKey) => ({ routingKey }))
}

function rungItems(delayMs: number, queues: GroupQueues): TopologyItem[] {
  const name = queues.rung(delayMs)
  if (queues.expiresMs === undefined) {
    return [ownQueue(name, { ...quorum, ...deadLettersTo(queues.work), 'x-message-ttl': delayMs })]
  }
  // Shared by the processes of the group: a message goes back by the key with which it came in, and to nobody when its
  // process has ended, which is what at-most-once dead-lettering drops.
  const rung = ownQueue(name, { ...quorum, 'x-dead-letter-exchange': '', 'x-message-ttl': delayMs })
  return [
    { kind: 'exchange', name, type: 'fanout', owner: 'ours', arguments: {} },
    rung,
    { kind: 'binding', queue: name, exchange: name, routingKey: '', arguments: {}, owner: 'ours' },
  ]
}

function deadQueue({ dead }: GroupQueues): QueueItem {
  return ownQueue(dead, { ...quorum, 'x-delivery-limit': endlessDeliveryLimit })
}

function ownQueue(name: string, given: TopologyArguments): QueueItem {
  return { kind: 'queue', name, durable: true, arguments: given, owner: 'ours' }
}

// `drop-head`, the default, drops messages that were confirmed, and turns at-least-once dead letters off.
const quorum = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish' } as const

function deadLettersTo(queue: string): TopologyArguments {
  return {
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
    'x-dead-letter-strategy': 'at-least-once',
  }
}
