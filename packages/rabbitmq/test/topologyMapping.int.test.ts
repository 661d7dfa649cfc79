import { randomUUID } from 'node:crypto'
import type { Transport } from '@posthorn/core/adapter'
import type { Channel } from 'amqplib'
import { afterEach, describe, expect, it } from 'vitest'
import type { TopologyOptions } from '../src/index.js'
import { eventually, message, openInbox, sendTo, withChannel, within } from './broker.js'
import { subscriptionTo, uniqueDestination } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const broker = sharedBroker()
const left: ((channel: Channel) => Promise<unknown>)[] = []

afterEach(async () => {
  for (const remove of left.splice(0)) await withChannel(remove)
})

const connected = (publishes: readonly string[], topology: TopologyOptions): Promise<Transport> =>
  broker.connected(publishes, { topology })

/** A name whose queues and exchange are gone after the test. */
function name(...suffixes: readonly string[]): string {
  const one = uniqueDestination()
  left.push(async (channel) => {
    await channel.deleteExchange(one)
    for (const suffix of ['', '.billing', '.billing.dead', ...suffixes]) await channel.deleteQueue(one + suffix)
  })
  return one
}

const classicQueue = (queue: string, given: object = {}): Promise<unknown> =>
  withChannel((channel) => channel.assertQueue(queue, { durable: true, arguments: { ...given } }))

describe('a destination on the default exchange', () => {
  it('meets a classic queue: what others send arrives, what we send is there for others', async () => {
    const hello = name('.billing.retry.200')
    await classicQueue(hello)
    const transport = await connected([hello], { destinations: { [hello]: { exchange: '' } } })
    expect(await sendTo(transport, { destination: hello })).toEqual({ routed: true })
    await withChannel(async (channel) => {
      const got = await channel.get(hello, { noAck: true })
      expect(got).toMatchObject({ properties: { type: 'com.example.placed.v1' } })
      channel.sendToQueue(hello, Buffer.from('from a classic client'))
    })
    const inbox = await openInbox(transport, subscriptionTo(hello, { rungsMs: [200] }))
    const one = await inbox.next()
    expect(Buffer.from(one.body ?? []).toString()).toBe('from a classic client')
    // Its retry comes back through our rung into the queue that is not ours.
    const again = message()
    await sendTo(transport, { retry: { destination: hello, group: 'billing', delayMs: 200 } }, again)
    one.complete()
    const back = await inbox.next()
    expect(back).toMatchObject({ id: again.id, address: hello })
    expect(await sendTo(transport, { dead: { destination: hello, group: 'billing' } }, again)).toEqual({ routed: true })
    back.complete()
  })

  it('is not routed while its queue is missing, and a subscription says so', async () => {
    const hello = name()
    const transport = await connected([hello], { destinations: { [hello]: { exchange: '' } } })
    expect(await sendTo(transport, { destination: hello })).toEqual({ routed: false })
    const subscribing = transport.subscribe(subscriptionTo(hello), () => {}, within(10_000))
    await expect(subscribing).rejects.toMatchObject({ code: 'POSTHORN_TOPOLOGY_MISSING' })
  })
})

describe('a destination on an exchange that exists', () => {
  const exchange = async (type: string): Promise<string> => {
    const legacy = name()
    await withChannel((channel) => channel.assertExchange(legacy, type))
    return legacy
  }

  it('binds to a direct exchange by its own keys, and publishes with them', async () => {
    const [legacy, orders] = [await exchange('direct'), name()]
    const routingKey = (type: string): string => (type === 'com.example.placed.v1' ? 'placed' : 'other')
    const transport = await connected([orders], {
      destinations: { [orders]: { exchange: legacy, type: 'direct', routingKey } },
    })
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    const inbox = await openInbox(transport, subscriptionTo(orders, { types: ['com.example.placed.v1'] }))
    const sent = message()
    expect(await sendTo(transport, { destination: orders }, sent)).toEqual({ routed: true })
    expect(await inbox.next()).toMatchObject({ id: sent.id, address: `${orders}.billing` })
    await withChannel(async (channel) => channel.publish(legacy, 'placed', Buffer.from('foreign')))
    expect(Buffer.from((await inbox.next()).body ?? []).toString()).toBe('foreign')
    expect(await sendTo(transport, { destination: orders }, message({ type: 'b.v1' }))).toEqual({ routed: false })
  })

  it('shares a fanout exchange with others', async () => {
    const [legacy, orders, foreign] = [await exchange('fanout'), name(), name()]
    await withChannel(async (channel) => {
      await channel.assertQueue(foreign)
      await channel.bindQueue(foreign, legacy, '')
    })
    const transport = await connected([orders], { destinations: { [orders]: { exchange: legacy, type: 'fanout' } } })
    const inbox = await openInbox(transport, subscriptionTo(orders, { types: ['a.v1'] }))
    const sent = message()
    await sendTo(transport, { destination: orders }, sent)
    expect((await inbox.next()).id).toBe(sent.id)
    const got = await withChannel((channel) => channel.get(foreign, { noAck: true }))
    expect(got).toMatchObject({ properties: { messageId: sent.id } })
  })

  it('is routed by headers where the exchange does so', async () => {
    const [legacy, orders] = [await exchange('headers'), name()]
    const bindings = [{ arguments: { 'x-match': 'all', region: 'eu' } }]
    const transport = await connected([orders], {
      destinations: { [orders]: { exchange: legacy, type: 'headers' } },
      groups: { [`${orders}.billing`]: { bindings } },
    })
    const inbox = await openInbox(transport, subscriptionTo(orders, { types: ['a.v1'] }))
    const inEurope = message({ headers: { region: 'eu' } })
    expect(await sendTo(transport, { destination: orders }, message({ headers: { region: 'us' } }))).toEqual({
      routed: false,
    })
    expect(await sendTo(transport, { destination: orders }, inEurope)).toEqual({ routed: true })
    expect((await inbox.next()).id).toBe(inEurope.id)
  })

  it('fails a publish when it is missing, and declares nothing for it', async () => {
    const [legacy, orders, users] = [name(), name(), name()]
    const transport = await connected([users], { destinations: { [orders]: { exchange: legacy } } })
    const [failed, fine] = await Promise.allSettled([
      sendTo(transport, { destination: orders }),
      sendTo(transport, { destination: users }),
    ])
    expect(failed).toMatchObject({ reason: { code: 'POSTHORN_PUBLISH_NO_DESTINATION', outcome: 'notSent' } })
    expect(fine).toEqual({ status: 'fulfilled', value: { routed: false } })
    await expect(withChannel((channel) => channel.checkExchange(legacy))).rejects.toMatchObject({ code: 404 })
  })

  it('is noticed when it disappears while messages are sent', async () => {
    const [legacy, orders] = [await exchange('topic'), name()]
    const transport = await connected([orders], { destinations: { [orders]: { exchange: legacy } } })
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    await withChannel((channel) => channel.deleteExchange(legacy))
    await expect(sendTo(transport, { destination: orders })).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_NO_DESTINATION',
    })
    await withChannel((channel) => channel.assertExchange(legacy, 'topic'))
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
  })
})

describe('a group on a queue that exists', () => {
  it('consumes from a classic queue, which stays as it is, with rungs and dead letters beside it', async () => {
    const [legacy, orders] = [name(), name('.billing.retry.200')]
    await classicQueue(legacy, { 'x-max-priority': 3 })
    const transport = await connected([], { groups: { [`${orders}.billing`]: { queue: legacy } } })
    const inbox = await openInbox(transport, subscriptionTo(orders, { rungsMs: [200] }))
    await withChannel(async (channel) => channel.sendToQueue(legacy, Buffer.from('old')))
    const first = await inbox.next()
    expect(first.address).toBe(legacy)
    const copy = message()
    expect(await sendTo(transport, { retry: { destination: orders, group: 'billing', delayMs: 200 } }, copy)).toEqual({
      routed: true,
    })
    first.complete()
    const second = await inbox.next()
    expect(second.id).toBe(copy.id)
    second.complete()
    const replayed = message()
    await sendTo(transport, { group: { destination: orders, group: 'billing' } }, replayed)
    expect((await inbox.next()).id).toBe(replayed.id)
  })

  it('waits for a queue that another connection holds exclusively', async () => {
    const [locked, orders] = [name(), name()]
    const transport = await connected([], {
      groups: { [`${orders}.billing`]: { queue: locked, declare: true, arguments: {} } },
    })
    await withChannel(async (channel) => {
      await channel.assertQueue(locked, { exclusive: true })
      const subscribing = openInbox(transport, subscriptionTo(orders))
      subscribing.catch(() => {})
      const early = transport.subscribe(subscriptionTo(orders, { group: 'other' }), () => {}, within(20_000))
      await early // So that the one before it has had its answer, too.
      expect(transport.health()).toMatchObject({
        reasons: [{ code: 'notConsuming', what: expect.stringContaining('exclusive') as string }],
      })
    })
    await eventually(() => transport.health().state === 'ready')
    await withChannel((channel) => channel.deleteQueue(`${orders}.other`))
    await withChannel((channel) => channel.deleteQueue(`${orders}.other.dead`))
  })
})

describe('a consumer', () => {
  it('of a higher priority gets the messages first', async () => {
    const orders = name()
    const group = `${orders}.billing`
    const [low, high] = [
      await connected([orders], { groups: { [group]: { priority: -1 } } }),
      await connected([], { groups: { [group]: { priority: 5 } } }),
    ]
    const lowInbox = await openInbox(low, subscriptionTo(orders, { maxInFlight: 1 }))
    const highInbox = await openInbox(high, subscriptionTo(orders, { maxInFlight: 1 }))
    const [first, second] = [message(), message()]
    await sendTo(low, { destination: orders }, first)
    const held = await highInbox.next()
    expect(held.id).toBe(first.id) // Though the other one was there before.
    await sendTo(low, { destination: orders }, second)
    const other = await lowInbox.next() // Now that the first one has no room.
    expect(other.id).toBe(second.id)
    for (const one of [held, other]) one.complete()
  })

  it('of a classic queue asks to be cancelled on a failover, where the broker knows that', async () => {
    const [legacy, orders] = [name(), name()]
    await classicQueue(legacy)
    const transport = await connected([], {
      groups: { [`${orders}.billing`]: { queue: legacy, cancelOnFailover: true } },
    })
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await withChannel(async (channel) => channel.sendToQueue(legacy, Buffer.from(randomUUID())))
    ;(await inbox.next()).complete()
  })
})
