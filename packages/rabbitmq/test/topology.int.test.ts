import { createService, defineEvent, on } from '@posthorn/core'
import type { Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { formatPlan } from '../src/index.js'
import type { RabbitMqOptions } from '../src/index.js'
import { after, contextOf, openInbox, sendTo, subscriptionTo } from './broker.js'
import { deleteQueue, eventually, withChannel, within } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const rungs = [300, 700]
const { destination, make, connected } = sharedBroker({ rungs })

const errorOf = (work: Promise<unknown>): Promise<Error & { details: Record<string, unknown> }> =>
  work.then(
    () => expect.unreachable('it should have failed'),
    (error: Error & { details: Record<string, unknown> }) => error,
  )

describe('the topology of a service', () => {
  it('is planned, applied and verified beside it, before it starts', async () => {
    const orders = destination()
    const placed = defineEvent({ type: 'placed.v1', destination: orders, schema: { type: 'object' } })
    const transport = make()
    const service = createService({ source: '/test', transport, publishes: [placed] })
    service.consume('billing', { handlers: () => [on(placed, () => {})], retry: { delaysMs: [300] } })
    const declaration = service.declaration()
    const plan = transport.topology.plan(declaration)
    expect(plan.warnings).toEqual([])
    expect(formatPlan(plan)).toContain(`binding   ${orders} -> ${orders}.billing (key placed.v1)`)
    const missing = await errorOf(transport.topology.verify(declaration))
    expect(missing).toMatchObject({ code: 'POSTHORN_TOPOLOGY_MISMATCH' })
    expect(missing.details['problems']).toHaveLength(4) // The exchange and three queues; bindings cannot be seen.
    await transport.topology.apply(declaration)
    await transport.topology.apply(declaration)
    await transport.topology.verify(declaration)
    expect(await withChannel((channel) => channel.checkQueue(`${orders}.billing`))).toMatchObject({ messageCount: 0 })
  })

  it('stands after ten transports have declared it at once', async () => {
    const orders = destination()
    const subscription = subscriptionTo(orders, { types: ['com.example.placed.v1'], rungsMs: rungs, ordered: true })
    const transports = await Promise.all(Array.from({ length: 10 }, () => connected([orders])))
    const inboxes = await Promise.all(transports.map((transport) => openInbox(transport, subscription)))
    expect(await sendTo(transports[0] as Transport, { destination: orders })).toEqual({ routed: true })
    await eventually(() => inboxes.flatMap(({ all }) => all).length === 1)
    await make().topology.verify({ publishes: [orders], subscriptions: [subscription] })
  })
})

describe('a mismatch', () => {
  it('says expected against actual of every argument', async () => {
    const orders = destination()
    await withChannel((channel) =>
      channel.assertQueue(`${orders}.billing`, {
        durable: true,
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 5, 'x-overflow': 'drop-head', 'x-max-length': 9 },
      }),
    )
    const subscription = subscriptionTo(orders, { ordered: true })
    const error = await errorOf((await connected()).subscribe(subscription, () => {}, within(10_000)))
    expect(error).toMatchObject({ code: 'POSTHORN_TOPOLOGY_MISMATCH' })
    expect(error.details['differences']).toHaveLength(7)
    expect(error.details['differences']).toEqual(
      expect.arrayContaining([
        { argument: 'x-delivery-limit', expected: 100, actual: 5 },
        { argument: 'x-overflow', expected: 'reject-publish', actual: 'drop-head' },
        { argument: 'x-max-length', expected: undefined, actual: 9 },
        { argument: 'x-single-active-consumer', expected: true, actual: undefined },
      ]),
    )
    for (const part of [`queue "${orders}.billing"`, 'x-delivery-limit is 5, expected 100', 'delete it']) {
      expect(error.message).toContain(part)
    }
  })

  it('of an exchange names its type', async () => {
    const orders = destination()
    await withChannel((channel) => channel.assertExchange(orders, 'direct'))
    const error = await errorOf(make().connect(contextOf(), [orders], within(10_000)))
    expect(error).toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISMATCH',
      details: { differences: [{ argument: 'type', expected: 'topic', actual: 'direct' }] },
    })
  })

  it('is found by verify together with all others, and nothing is changed', async () => {
    const orders = destination()
    await withChannel(async (channel) => {
      await channel.assertExchange(orders, 'fanout')
      await channel.assertQueue(`${orders}.billing`, { durable: true })
    })
    const declaration = { publishes: [orders], subscriptions: [subscriptionTo(orders)] }
    const error = await errorOf(make().topology.verify(declaration))
    expect(error.details['problems']).toHaveLength(3) // Of the exchange, the work queue, and the missing dead letters.
    await expect(withChannel((channel) => channel.checkQueue(`${orders}.billing.dead`))).rejects.toThrow()
  })
})

describe('a temporary group', () => {
  const groupsOf = (orders: string, fields: object = {}): Partial<RabbitMqOptions> => ({
    topology: { groups: { [`${orders}.billing`]: { temporary: true, expiresMs: 2_000, ...fields } } },
  })

  async function removeRung(orders: string): Promise<void> {
    await withChannel(async (channel) => {
      await channel.deleteQueue(`${orders}.billing.temporary.retry.300`)
      await channel.deleteExchange(`${orders}.billing.temporary.retry.300`)
    })
  }

  it('gives every process every message, and a retry back to the process that asked for it', async () => {
    const orders = destination()
    const subscription = subscriptionTo(orders, { rungsMs: [300] })
    const [one, other] = [await connected([orders], groupsOf(orders)), await connected([], groupsOf(orders))]
    const [oneInbox, otherInbox] = [await openInbox(one, subscription), await openInbox(other, subscription)]
    await sendTo(one, { destination: orders })
    const first = await oneInbox.next()
    ;(await otherInbox.next()).complete()
    await sendTo(one, { retry: { destination: orders, group: 'billing', delayMs: 300 } })
    first.complete()
    ;(await oneInbox.next()).complete()
    expect(otherInbox.all).toHaveLength(1)
    expect(oneInbox.all[1]?.address).toBe(first.address)
    expect(await sendTo(other, { dead: { destination: orders, group: 'billing' } })).toEqual({ routed: true })
    // Its queue goes with its process, some time after it.
    await one.close(after(5_000))
    await eventually(() =>
      withChannel((channel) => channel.checkQueue(first.address)).then(
        () => false,
        () => true,
      ),
    )
    await other.close(after(5_000))
    await removeRung(orders)
  })

  it.each(['verify', 'none'] as const)('has its queue made with topology %s, too', async (mode) => {
    const orders = destination()
    await make().topology.apply({ publishes: [orders], subscriptions: [subscriptionTo(orders)] })
    const topology = { mode, groups: { [`${orders}.billing`]: { temporary: true, expiresMs: 2_000 } } }
    const transport = await connected([orders], { topology })
    const inbox = await openInbox(transport, subscriptionTo(orders))
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: true })
    ;(await inbox.next()).complete()
  })

  it('has its queue again when it was deleted', async () => {
    const orders = destination()
    const transport = await connected([orders], groupsOf(orders, { expiresMs: 60_000 }))
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await sendTo(transport, { destination: orders })
    const first = await inbox.next()
    first.complete()
    await deleteQueue(first.address)
    await eventually(() => transport.health().counts?.['resubscribed'] === 1)
    await sendTo(transport, { destination: orders })
    const second = await inbox.next()
    expect(second.address).toBe(first.address)
    second.complete()
    await transport.close(after(5_000))
    await deleteQueue(first.address)
  })
})
