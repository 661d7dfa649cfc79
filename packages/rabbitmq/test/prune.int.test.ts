import { connect } from 'amqplib'
import type { ChannelModel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { deleteGuarded } from '../src/deleteGuarded.js'
import { settingsOf } from '../src/options.js'
import { prepareTopology } from '../src/prepareTopology.js'
import { pruneTopology } from '../src/pruneTopology.js'
import { planTopology } from '../src/topology.js'
import type { PruneOptions, PruneReport } from '../src/index.js'
import { after, brokerUrl, deleteQueue, message, openInbox, sendTo } from './broker.js'
import { eventually, subscriptionTo, takeAll, withChannel } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected } = sharedBroker({ rungs: [300, 700, 60_000] })

const exists = (queue: string): Promise<boolean> =>
  withChannel((channel) => channel.checkQueue(queue)).then(
    () => true,
    () => false,
  )

const readyIn = (queue: string): Promise<number> =>
  withChannel(async (channel) => (await channel.checkQueue(queue)).messageCount)

const quorum = { 'x-queue-type': 'quorum' }

/** A rung and its heir, without anything that would move messages between them. */
async function quorumPair(): Promise<{ model: ChannelModel; rung: string; heir: string }> {
  const orders = destination()
  const [rung, heir] = [`${orders}.billing.retry.300`, `${orders}.billing`]
  await withChannel(async (channel) => {
    for (const queue of [rung, heir]) await channel.assertQueue(queue, { arguments: { ...quorum } })
  })
  return { model: await connect(brokerUrl()), rung, heir }
}

describe('pruning removed rungs', () => {
  const group = (orders: string): { destination: string; group: string } => ({ destination: orders, group: 'billing' })

  it('waits until their messages are back in the work queue, and loses none', async () => {
    const orders = destination()
    const transport = await connected()
    const former = subscriptionTo(orders, { rungsMs: [300, 700] })
    const inbox = await openInbox(transport, former, (delivery) => delivery.complete())
    const copies = Array.from({ length: 50 }, () => message())
    await Promise.all(copies.map((copy) => sendTo(transport, { retry: { ...group(orders), delayMs: 700 } }, copy)))
    const declaration = { publishes: [], subscriptions: [{ ...former, rungsMs: [300] }] }
    const wanted = { delaysMs: [300, 700, 9_999] }
    expect(await transport.topology.prune(declaration, wanted, { dryRun: true })).toMatchObject({
      removed: [],
      kept: [{ item: { name: `${orders}.billing.retry.700` } }],
    })
    expect(await transport.topology.prune(declaration, wanted, { quietMs: 500, isLastReleaseGone: true })).toEqual({
      removed: [{ kind: 'queue', name: `${orders}.billing.retry.700`, messageCount: 0 }],
      kept: [],
    })
    expect(new Set(inbox.all.map(({ id }) => id))).toEqual(new Set(copies.map(({ id }) => id)))
    expect(await exists(`${orders}.billing.retry.700`)).toBe(false)
    expect(await exists(`${orders}.billing.retry.300`)).toBe(true)
  })

  it('keeps what is not empty in time, with the reason, and what has nowhere to go', async () => {
    const orders = destination()
    const transport = await connected()
    const former = subscriptionTo(orders, { rungsMs: [60_000] })
    const inbox = await openInbox(transport, former)
    await sendTo(transport, { retry: { ...group(orders), delayMs: 60_000 } })
    const declaration = { publishes: [], subscriptions: [{ ...former, rungsMs: [] }] }
    const options = { deadlineMs: 1_500, quietMs: 0, isLastReleaseGone: true }
    const prune = (): Promise<PruneReport> => transport.topology.prune(declaration, { delaysMs: [60_000] }, options)
    expect(await prune()).toMatchObject({ removed: [], kept: [{ item: { messageCount: 1 } }] })
    await inbox.running.stop(after(5_000))
    await deleteQueue(`${orders}.billing`)
    const { kept } = await prune()
    expect(kept[0]?.reason).toContain(`no queue "${orders}.billing"`)
    expect(await exists(`${orders}.billing.retry.60000`)).toBe(true)
  })

  it('deletes no rung while a process of the last release may use it, unless told that there is none', async () => {
    const orders = destination()
    const transport = await connected()
    const former = subscriptionTo(orders, { rungsMs: [300] })
    const inbox = await openInbox(transport, former)
    const declaration = { publishes: [], subscriptions: [{ ...former, rungsMs: [] }] }
    const prune = (options: PruneOptions = {}): Promise<PruneReport> =>
      transport.topology.prune(declaration, { delaysMs: [300] }, { quietMs: 0, ...options })
    const { kept } = await prune()
    expect(kept[0]?.reason).toContain('isLastReleaseGone')
    await inbox.running.stop(after(5_000))
    await eventually(async () => (await prune()).removed.length === 1)
    await openInbox(transport, former)
    expect((await prune({ isLastReleaseGone: true })).removed).toHaveLength(1)
  })

  it('does not delete what was not empty after all, and gives back what it saw', async () => {
    const { model, rung, heir } = await quorumPair()
    const restore = (): Promise<void> => expect.unreachable('it was not deleted')
    await put(model, rung, 'still here')
    expect(await deleteGuarded(model, { queue: rung, heirQueue: heir, restore })).toBe('notEmpty')
    await eventually(async () => (await readyIn(rung)) === 1)
    await withChannel((channel) => channel.purgeQueue(rung))
    expect(await deleteGuarded(model, { queue: rung, heirQueue: heir, restore })).toBe('deleted')
    expect(await exists(rung)).toBe(false)
    await model.close()
  })

  it('hands on what is published in the moment of the deletion', async () => {
    const { model, rung, heir } = await quorumPair()
    const restore = (): Promise<void> => expect.unreachable('its heir takes everything')
    const late = publishingBeforeDeletion(model, () => put(model, rung, 'late'))
    expect(await deleteGuarded(late, { queue: rung, heirQueue: heir, restore })).toBe('deleted')
    expect(await takeAll(heir)).toEqual(['late'])
    await model.close()
  })

  it('keeps the rung for what is published in that moment and finds no other place', async () => {
    const { model, rung, heir } = await quorumPair()
    await withChannel((channel) => channel.deleteQueue(heir))
    const restore = (): Promise<void> =>
      withChannel(async (channel) => void (await channel.assertQueue(rung, { arguments: { ...quorum } })))
    const late = publishingBeforeDeletion(model, () => put(model, rung, 'late'))
    expect(await deleteGuarded(late, { queue: rung, heirQueue: heir, restore })).toBe('restored')
    expect(await takeAll(rung)).toEqual(['late'])
    await model.close()
  })

  it('declares such a rung as its release did', async () => {
    const orders = destination()
    const former = subscriptionTo(orders, { rungsMs: [60_000] })
    const { running } = await openInbox(await connected(), former)
    await running.stop(after(5_000))
    const [rung, work] = [`${orders}.billing.retry.60000`, `${orders}.billing`]
    await withChannel(async (channel) => {
      await channel.deleteQueue(work)
      await channel.assertQueue(work, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } })
      channel.sendToQueue(work, Buffer.from('it is full now'))
    })
    const model = await connect(brokerUrl())
    const late = publishingBeforeDeletion(model, () => put(model, rung, 'late'))
    const settings = settingsOf({ urls: [brokerUrl()] })
    const live = { model: late, epoch: 1, lost: false, destroy: () => {} }
    const call = { live, settings, deadline: after(20_000), signal: undefined }
    const declaration = { publishes: [], subscriptions: [{ ...former, rungsMs: [] }] }
    const { removed, kept } = await pruneTopology(call, declaration, { delaysMs: [60_000], quietMs: 0 })
    expect(removed).toEqual([])
    expect(kept).toMatchObject([{ item: { name: rung }, reason: expect.stringContaining(work) as string }])
    const plan = planTopology({ publishes: [], subscriptions: [former] }, settings.topology)
    await prepareTopology(
      model,
      plan.filter((item) => item.kind === 'queue' && item.name === rung),
      'apply',
    )
    expect(await takeAll(rung)).toEqual(['late'])
    await model.close()
  })
})

/** A connection whose channels publish before they delete a queue, as a process of the last release might. */
function publishingBeforeDeletion(model: ChannelModel, publish: () => Promise<unknown>): ChannelModel {
  const late = Object.create(model) as ChannelModel
  late.createConfirmChannel = async () => {
    const channel = await model.createConfirmChannel()
    const deleteQueue = channel.deleteQueue.bind(channel)
    channel.deleteQueue = async (queue) => {
      await publish()
      return deleteQueue(queue)
    }
    return channel
  }
  return late
}

async function put(model: ChannelModel, queue: string, messageId: string): Promise<void> {
  const channel = await model.createConfirmChannel()
  channel.sendToQueue(queue, Buffer.from('{}'), { messageId, persistent: true })
  await channel.waitForConfirms()
  await channel.close()
}

describe('pruning stale bindings', () => {
  it('takes those of types that are no longer handled, and leaves messages and other bindings', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const former = subscriptionTo(orders, { types: ['a.v1', 'b.v1'] })
    const inbox = await openInbox(transport, former)
    await sendTo(transport, { destination: orders }, message({ type: 'b.v1' }))
    const declaration = { publishes: [orders], subscriptions: [{ ...former, types: ['a.v1'] }] }
    const wanted = { types: ['a.v1', 'b.v1'] }
    await transport.topology.prune(declaration, wanted, { dryRun: true })
    expect(await sendTo(transport, { destination: orders }, message({ type: 'b.v1' }))).toEqual({ routed: true })
    expect(await transport.topology.prune(declaration, wanted)).toEqual({
      removed: [{ kind: 'binding', queue: `${orders}.billing`, exchange: orders, routingKey: 'b.v1' }],
      kept: [],
    })
    expect(await sendTo(transport, { destination: orders }, message({ type: 'b.v1' }))).toEqual({ routed: false })
    expect(await sendTo(transport, { destination: orders }, message({ type: 'a.v1' }))).toEqual({ routed: true })
    for (const type of ['b.v1', 'b.v1', 'a.v1']) expect(await inbox.next(), type).toBeDefined()
  })

  it('refuses what it cannot understand', async () => {
    const transport = await connected()
    const declaration = { publishes: [], subscriptions: [] }
    await expect(transport.topology.prune(declaration, { delaysMs: [0] })).rejects.toMatchObject({
      code: 'POSTHORN_CONFIGURATION',
    })
  })
})
