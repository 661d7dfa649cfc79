import type { Channel, ChannelModel } from 'amqplib'
import { replyCodeOf, replyCodes, textOf, topologyErrorOf } from './errorMapping.js'
import { differenceOf, withActual } from './mismatch.js'
import type { Difference } from './mismatch.js'
import type { QueueItem, TopologyItem } from './topology.js'
import type { TopologyMode } from './topologyOptions.js'
import type { QueueFacts } from './watchdog.js'

/**
 * Makes sure that everything in the plan exists, or rejects with the error of the first thing that does not: a mismatch
 * says expected and actual. On channels of its own, since a refusal closes the channel. Idempotent, and safe when many
 * processes do it at once.
 */
export async function prepareTopology(
  model: ChannelModel,
  plan: readonly TopologyItem[],
  mode: TopologyMode,
): Promise<void> {
  for (const item of plan) if (stepOf(item, mode) === 'check') await check(model, item)
  const declared = plan.filter((item) => stepOf(item, mode) === 'declare')
  if (declared.length === 0) return
  await onThrowAwayChannel(model, async (channel) => {
    for (const item of declared) {
      try {
        await declare(channel, item)
      } catch (error) {
        throw await explained(model, item, error)
      }
    }
  })
}

/** Checks everything and gives every error, those of single things that are missing or different. */
export async function verifyTopology(model: ChannelModel, plan: readonly TopologyItem[]): Promise<readonly Error[]> {
  const errors: Error[] = []
  for (const item of plan) {
    // What only lives with a process is not there before it.
    if (item.owner === 'process' || stepOf(item, 'verify') === 'nothing') continue
    await check(model, item).catch((error: Error) => errors.push(error))
  }
  return errors
}

/** Whether an exchange exists; on a channel of its own. */
export function exchangeExists(model: ChannelModel, name: string): Promise<boolean> {
  return exists(() => onThrowAwayChannel(model, (channel) => channel.checkExchange(name)))
}

/** How many messages wait in a queue, and for how many consumers; on a channel of its own. */
export function queueFacts(model: ChannelModel, name: string): Promise<QueueFacts> {
  return onThrowAwayChannel(model, (channel) => channel.checkQueue(name))
}

/** The same, or undefined where there is no such queue. */
export async function queueFactsIfThere(model: ChannelModel, name: string): Promise<QueueFacts | undefined> {
  try {
    return await queueFacts(model, name)
  } catch (error) {
    if (replyCodeOf(error) === replyCodes.notFound) return undefined
    throw error
  }
}

async function exists(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask()
    return true
  } catch (error) {
    if (replyCodeOf(error) === replyCodes.notFound) return false
    throw error
  }
}

function stepOf(item: TopologyItem, mode: TopologyMode): 'declare' | 'check' | 'nothing' {
  if (item.owner === 'process') return 'declare'
  if (mode === 'none') return 'nothing'
  if (item.kind === 'binding') return mode === 'apply' ? 'declare' : 'nothing' // AMQP has no way to ask for one.
  return mode === 'apply' && item.owner === 'ours' ? 'declare' : 'check'
}

async function check(model: ChannelModel, item: TopologyItem): Promise<void> {
  await onThrowAwayChannel(model, async (channel) => {
    try {
      await (item.kind === 'queue' ? channel.checkQueue(item.name) : channel.checkExchange(nameOf(item)))
      // A passive declare compares nothing; a real one of something that exists changes nothing and compares.
      if (item.owner === 'ours') await declare(channel, item)
    } catch (error) {
      // Without the permission to configure, to exist is all that can be verified.
      if (item.owner === 'ours' && (await isOnlyForbidden(model, item, error))) return
      throw await explained(model, item, error)
    }
  })
}

async function isOnlyForbidden(model: ChannelModel, item: TopologyItem, error: unknown): Promise<boolean> {
  if (replyCodeOf(error) !== replyCodes.accessRefused) return false
  return exists(() =>
    onThrowAwayChannel(model, (channel) =>
      item.kind === 'queue' ? channel.checkQueue(item.name) : channel.checkExchange(nameOf(item)),
    ),
  ).catch(() => false)
}

async function declare(channel: Channel, item: TopologyItem): Promise<void> {
  if (item.kind === 'exchange') {
    await channel.assertExchange(item.name, item.type, { durable: true, arguments: item.arguments })
  } else if (item.kind === 'queue') {
    await channel.assertQueue(item.name, { durable: item.durable, arguments: item.arguments })
  } else await channel.bindQueue(item.queue, item.exchange, item.routingKey, item.arguments)
}

async function explained(model: ChannelModel, item: TopologyItem, error: unknown): Promise<Error> {
  const first = replyCodeOf(error) === replyCodes.preconditionFailed ? differenceOf(textOf(error)) : undefined
  const differences = first === undefined ? [] : [first, ...(await furtherDifferences(model, item, first))]
  return topologyErrorOf({ resource: resourceOf(item), expected: expectedOf(item), differences }, error)
}

/** More differences than any queue of ours has arguments. */
const maxDifferences = 12

/**
 * The broker tells of one difference at a time. It is asked again with what it has, right after it said that the queue
 * is there, so that nothing is created.
 */
async function furtherDifferences(model: ChannelModel, item: TopologyItem, first: Difference): Promise<Difference[]> {
  const found: Difference[] = []
  let asked: QueueItem | undefined = item.kind === 'queue' ? item : undefined
  let last: Difference | undefined = first
  while (asked !== undefined && last !== undefined && found.length < maxDifferences) {
    const next = withActual(asked, last)
    asked = next === undefined ? undefined : { ...asked, ...next }
    const told: Difference | undefined = asked === undefined ? undefined : await nextDifference(model, asked)
    // Told again means that its value could not be taken over.
    last = told?.argument === last.argument ? undefined : told
    if (last !== undefined) found.push(last)
  }
  return found
}

async function nextDifference(model: ChannelModel, item: QueueItem): Promise<Difference | undefined> {
  try {
    await onThrowAwayChannel(model, async (channel) => {
      await channel.checkQueue(item.name)
      await declare(channel, item)
    })
    return undefined
  } catch (error) {
    return differenceOf(textOf(error))
  }
}

function nameOf(item: TopologyItem): string {
  return item.kind === 'binding' ? item.exchange : item.name
}

function resourceOf(item: TopologyItem): string {
  return item.kind === 'binding' ? `binding of "${item.queue}" to "${item.exchange}"` : `${item.kind} "${item.name}"`
}

function expectedOf(item: TopologyItem): unknown {
  if (item.owner === 'existing') return 'something that exists'
  if (item.kind === 'exchange') return { type: item.type, durable: true, ...item.arguments }
  if (item.kind === 'queue') return { durable: item.durable, ...item.arguments }
  return { routingKey: item.routingKey, ...item.arguments }
}

/** Runs something on a channel that may be closed by the broker's refusal. */
export async function onThrowAwayChannel<T>(model: ChannelModel, use: (channel: Channel) => Promise<T>): Promise<T> {
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
