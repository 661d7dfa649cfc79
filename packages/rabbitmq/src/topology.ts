import { resourceNames } from '@posthorn/core/adapter'
import type { Declaration, Subscription } from '@posthorn/core/adapter'
import type { Channel, ChannelModel } from 'amqplib'
import { replyCodeOf, replyCodes, topologyErrorOf } from './errorMapping.js'
import type { Settings } from './options.js'

/** Something that must exist on the broker. */
export type TopologyItem =
  | { readonly kind: 'exchange'; readonly name: string }
  | { readonly kind: 'queue'; readonly name: string; readonly arguments: Readonly<Record<string, QueueArgument>> }
  | { readonly kind: 'binding'; readonly queue: string; readonly exchange: string; readonly routingKey: string }

type QueueArgument = string | number | boolean

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
const deadDeliveryLimit = 1_000_000_000

/**
 * The whole plan of a declaration, pure and without duplicates, in an order in which it can be applied: targets of dead
 * letters before the queues that point at them. Publishers need exchanges only, consumers their queues and what they
 * bind to. Bindings of types that are no longer handled are not in it and stay: a process of the last release may run
 * beside us.
 */
export function planTopology(declaration: Declaration): readonly TopologyItem[] {
  const items = [
    ...declaration.publishes.map(exchange),
    ...declaration.subscriptions.flatMap((subscription) =>
      subscription.source === 'dead' ? [deadQueue(subscription)] : workItems(subscription),
    ),
  ]
  const unique = new Map(items.map((item) => [JSON.stringify(item), item]))
  return [...unique.values()]
}

function exchange(name: string): TopologyItem {
  return { kind: 'exchange', name }
}

function workItems(subscription: Subscription): TopologyItem[] {
  const { destination, group, types, rungsMs, ordered } = subscription
  const work = resourceNames.group(destination, group)
  const dead = resourceNames.dead(destination, group)
  const workArguments = {
    ...quorum,
    ...deadLettersTo(dead),
    'x-delivery-limit': workDeliveryLimit,
    ...(ordered ? { 'x-single-active-consumer': true } : {}),
  }
  return [
    deadQueue(subscription),
    { kind: 'queue', name: work, arguments: workArguments },
    ...rungsMs.map((delayMs): TopologyItem => {
      const name = resourceNames.retry(destination, group, delayMs)
      return { kind: 'queue', name, arguments: { ...quorum, ...deadLettersTo(work), 'x-message-ttl': delayMs } }
    }),
    exchange(destination),
    ...(types === 'all' ? ['#'] : types).map((routingKey): TopologyItem => ({
      kind: 'binding',
      queue: work,
      exchange: destination,
      routingKey,
    })),
  ]
}

function deadQueue({ destination, group }: Subscription): TopologyItem {
  const name = resourceNames.dead(destination, group)
  return { kind: 'queue', name, arguments: { ...quorum, 'x-delivery-limit': deadDeliveryLimit } }
}

// `drop-head`, the default, drops messages that were confirmed, and turns at-least-once dead letters off.
const quorum = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish' } as const

function deadLettersTo(queue: string): Record<string, QueueArgument> {
  return {
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
    'x-dead-letter-strategy': 'at-least-once',
  }
}

/**
 * Makes sure that everything in the plan exists, or rejects with the error of the first thing that does not: a mismatch
 * says expected and what the broker answered. On channels of its own, since a refusal closes the channel.
 */
export async function prepareTopology(
  model: ChannelModel,
  plan: readonly TopologyItem[],
  mode: Settings['topology'],
): Promise<void> {
  if (mode === 'none') return
  if (mode === 'verify') {
    for (const item of plan) await verify(model, item)
    return
  }
  await onThrowAwayChannel(model, async (channel) => {
    for (const item of plan) await explained(item, declare(channel, item))
  })
}

/** Whether an exchange exists; on a channel of its own. */
export async function exchangeExists(model: ChannelModel, name: string): Promise<boolean> {
  try {
    await onThrowAwayChannel(model, (channel) => channel.checkExchange(name))
    return true
  } catch (error) {
    if (replyCodeOf(error) === replyCodes.notFound) return false
    throw error
  }
}

async function verify(model: ChannelModel, item: TopologyItem): Promise<void> {
  if (item.kind === 'binding') return // AMQP has no way to ask for one.
  await onThrowAwayChannel(model, async (channel) => {
    const found = item.kind === 'queue' ? channel.checkQueue(item.name) : channel.checkExchange(item.name)
    await explained(item, found)
    try {
      // A passive declare compares nothing; a real one of something that exists changes nothing and compares.
      await declare(channel, item)
    } catch (error) {
      // Without the permission to configure, to exist is all that can be verified.
      if (replyCodeOf(error) !== replyCodes.accessRefused) throw topologyErrorOf(factsOf(item), error)
    }
  })
}

async function declare(channel: Channel, item: TopologyItem): Promise<void> {
  if (item.kind === 'exchange') await channel.assertExchange(item.name, 'topic', { durable: true })
  else if (item.kind === 'queue') await channel.assertQueue(item.name, { durable: true, arguments: item.arguments })
  else await channel.bindQueue(item.queue, item.exchange, item.routingKey)
}

async function explained(item: TopologyItem, answer: Promise<unknown>): Promise<void> {
  try {
    await answer
  } catch (error) {
    throw topologyErrorOf(factsOf(item), error)
  }
}

function factsOf(item: TopologyItem): { resource: string; expected: unknown } {
  if (item.kind === 'exchange')
    return { resource: `exchange "${item.name}"`, expected: { type: 'topic', durable: true } }
  if (item.kind === 'queue') return { resource: `queue "${item.name}"`, expected: { durable: true, ...item.arguments } }
  return { resource: `binding of "${item.queue}" to "${item.exchange}"`, expected: item }
}

async function onThrowAwayChannel<T>(model: ChannelModel, use: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await model.createChannel()
  // The refusal reaches us through the answer; without a listener the event would end the process.
  channel.on('error', () => {})
  try {
    return await use(channel)
  } finally {
    // Nothing waits for this: it cannot fail in a way that matters, and on a dead peer it never settles.
    channel.close().catch(() => {})
  }
}
