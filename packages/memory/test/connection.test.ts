import type { Delivery } from '@posthorn/core/adapter'
import { silentLogger } from '@posthorn/core/adapter'
import { beforeEach, describe, expect, it } from 'vitest'
import { createMemory } from '../src/memory.js'
import { createMemoryBroker } from '../src/memoryBroker.js'
import type { MemoryBroker } from '../src/memoryBroker.js'
import { createVirtualClock } from '../src/virtualClock.js'
import type { VirtualClock } from '../src/virtualClock.js'
import { billing, createTestClient, messageOf, orders, subscriptionOf } from './testClient.js'
import type { Inbox, TestClient } from './testClient.js'

let clock: VirtualClock
let broker: MemoryBroker
let client: TestClient
const find = (inbox: Inbox, id: string): Delivery => inbox.deliveries.findLast((each) => each.id === id) as Delivery
const redeliveries = (inbox: Inbox) => inbox.deliveries.map((each) => each.brokerRedeliveries)
const lost = { code: 'POSTHORN_PUBLISH_CONNECTION_LOST' }

/** What became of a promise so far. */
function watch(promise: Promise<unknown>): { state: string; code?: unknown } {
  const watched: { state: string; code?: unknown } = { state: 'pending' }
  promise.then(
    () => (watched.state = 'resolved'),
    (error: { code?: unknown }) => Object.assign(watched, { state: 'rejected', code: error.code }),
  )
  return watched
}

beforeEach(async () => {
  clock = createVirtualClock()
  broker = createMemoryBroker({ clock, maxMessages: 5, maxBytes: 1_000 })
  client = await createTestClient(broker, clock)
})

describe('send', () => {
  it('confirms in a later turn, when the message is in the queue', async () => {
    await client.subscribe({ maxInFlight: 1 })
    const confirmed = watch(client.send('1'))
    for (let job = 0; job < 20; job += 1) await Promise.resolve()
    expect(confirmed.state).toBe('pending')
    await clock.advance(0)
    expect(confirmed.state).toBe('resolved')
  })

  it('lets deliveries through while a loop publishes and awaits', async () => {
    const handled: unknown[] = []
    await client.transport.subscribe(
      subscriptionOf(),
      (deliveries) => {
        for (const delivery of deliveries) {
          handled.push(delivery.id)
          delivery.complete()
        }
      },
      client.within(),
    )
    for (let id = 0; id < 50; id += 1) await client.send(String(id))
    expect(handled.length).toBeGreaterThan(45)
  })

  it('refuses what does not fit into a queue, counting unsettled messages, and takes more when there is room', async () => {
    const inbox = await client.subscribe({ maxInFlight: 2 })
    for (const id of ['1', '2', '3', '4', '5']) await client.send(id)
    await clock.advance(0)
    const refused = client.send('6')
    await expect(refused).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_REFUSED',
      outcome: 'notSent',
      retryable: true,
    })
    find(inbox, '1').complete()
    expect(await client.send('7')).toEqual({ routed: true })
    await expect(client.send('8')).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED' })
  })

  it('refuses by bytes, too', async () => {
    const inbox = await client.subscribe()
    await client.send('1', { body: new Uint8Array(600) })
    await expect(client.send('2', { body: new Uint8Array(401) })).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_REFUSED',
    })
    expect(await client.send('3', { body: new Uint8Array(400) })).toEqual({ routed: true })
    await clock.advance(0)
    find(inbox, '1').complete()
    expect(await client.send('4', { body: new Uint8Array(600) })).toEqual({ routed: true })
  })

  it('puts a message into no queue when one of its queues is full', async () => {
    await client.subscribe({ types: ['placed'] })
    await client.subscribe({ group: 'audit' })
    for (let id = 0; id < 5; id += 1) await client.send(String(id), { type: 'paid' })
    await expect(client.send('x')).rejects.toMatchObject({ details: { queue: 'orders.audit' } })
    expect(broker.peek('orders.billing')).toEqual([])
  })

  it('refuses a body above maxBodyBytes without sending it', async () => {
    await client.subscribe()
    expect(client.transport.capabilities.maxBodyBytes).toBe(1_000)
    await expect(client.send('1', { body: new Uint8Array(1_001) })).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_TOO_LARGE',
      outcome: 'notSent',
      retryable: false,
    })
  })

  it('sends nothing when its deadline is over or its signal has fired', async () => {
    await client.subscribe({ maxInFlight: 1 })
    const late = client.transport.send(orders, messageOf('1'), { deadline: clock.monotonic() })
    await expect(late).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
    const aborted = client.transport.send(orders, messageOf('2'), {
      ...client.within(),
      signal: AbortSignal.abort('enough'),
    })
    await expect(aborted).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_ABORTED',
      outcome: 'notSent',
      cause: 'enough',
    })
    expect(broker.queues()[0]?.ready).toBe(0)
  })
})

describe('a connection that breaks', () => {
  it('leaves sends without confirmation with the outcome unknown, though the broker may have the message', async () => {
    const inbox = await client.subscribe()
    const sends = [client.send('1'), client.send('2')]
    broker.dropConnections()
    for (const send of sends) await expect(send).rejects.toMatchObject({ ...lost, outcome: 'unknown', retryable: true })
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1', '2'])
  })

  it('has what was unsettled delivered again, in order, counted, and before what is new', async () => {
    const inbox = await client.subscribe({ maxInFlight: 3 })
    for (const id of ['1', '2', '3', '4', '5']) await client.send(id)
    await clock.advance(0)
    find(inbox, '2').complete()
    broker.dropConnections()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1', '2', '3', '1', '3', '4'])
    expect(redeliveries(inbox)).toEqual([0, 0, 0, 1, 1, 0])
    broker.dropConnections()
    await clock.advance(0)
    expect(redeliveries(inbox).slice(6)).toEqual([2, 2, 1])
  })

  it('makes its deliveries stale: settling them does nothing', async () => {
    const inbox = await client.subscribe({ maxInFlight: 1 })
    await client.send('1')
    await clock.advance(0)
    const stale = find(inbox, '1')
    expect(stale.lost?.aborted).toBe(false)
    broker.dropConnections()
    expect(stale.lost?.aborted).toBe(true)
    stale.complete()
    stale.release()
    await clock.advance(0)
    stale.complete()
    expect(broker.queues()[0]).toMatchObject({ ready: 0, unsettled: 1 })
    expect(redeliveries(inbox)).toEqual([0, 1])
  })

  it('gives its deliveries to the members of other connections', async () => {
    const inbox = await client.subscribe({ maxInFlight: 1 })
    await client.send('1')
    await clock.advance(0)
    const other = await createTestClient(broker, clock)
    const otherInbox = await other.subscribe()
    await client.transport.close(0)
    await clock.advance(0)
    expect([inbox.ids(), otherInbox.ids(), redeliveries(otherInbox)]).toEqual([['1'], ['1'], [0]])
  })

  it('comes back by itself, with every subscription once, and none that was stopped', async () => {
    const inbox = await client.subscribe()
    const stopped = await client.subscribe()
    await stopped.stop(0)
    for (let drops = 0; drops < 50; drops += 1) {
      broker.dropConnections()
      await clock.advance(0)
    }
    expect(broker.queues()[0]?.members).toBe(1)
    expect(client.transport.health()).toMatchObject({ state: 'ready', reconnects: 50 })
    await client.send('1')
    await clock.advance(0)
    expect([inbox.ids(), stopped.ids()]).toEqual([['1'], []])
  })

  it('counts for what a stopped member still holds, too', async () => {
    const stopped = await client.subscribe()
    await client.send('1')
    await clock.advance(0)
    await stopped.stop(0)
    const inbox = await client.subscribe()
    broker.dropConnections()
    await clock.advance(0)
    expect([inbox.ids(), redeliveries(inbox)]).toEqual([['1'], [1]])
  })

  it('keeps the order of a key when its partition goes to another connection', async () => {
    const first = await client.subscribe({ ordered: true })
    for (const id of ['1', '2', '3']) await client.send(id, { partitionKey: 'k' })
    await clock.advance(0)
    const other = await createTestClient(broker, clock)
    const inbox = await other.subscribe({ ordered: true })
    await first.stop(0)
    find(first, '1').complete()
    await client.transport.close(0)
    await other.send('4', { partitionKey: 'k' })
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['2', '3', '4'])
  })
})

describe('a broker that is down', () => {
  it('lets sends wait until it is up, and takes them in their order', async () => {
    const inbox = await client.subscribe()
    broker.down()
    expect([broker.stopped, client.transport.health().state]).toEqual([true, 'connecting'])
    const sends = ['1', '2', '3'].map((id) => watch(client.send(id)))
    await clock.advance(5_000)
    expect(sends.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending'])
    broker.up()
    await clock.advance(0)
    expect(sends.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved'])
    expect([inbox.ids(), broker.stopped]).toEqual([['1', '2', '3'], false])
  })

  it('lets a send wait until its deadline, and never takes it after that', async () => {
    const inbox = await client.subscribe()
    broker.down()
    const send = client.transport.send(orders, messageOf('1'), client.within(500))
    const watched = watch(send)
    await clock.advance(499)
    expect(watched.state).toBe('pending')
    await clock.advance(1)
    await expect(send).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
    broker.up()
    await clock.advance(0)
    expect(inbox.ids()).toEqual([])
  })

  it('lets a send wait until its signal', async () => {
    broker.down()
    const abort = new AbortController()
    const send = client.transport.send(orders, messageOf('1'), { ...client.within(), signal: abort.signal })
    abort.abort('enough')
    await expect(send).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_ABORTED', outcome: 'notSent', cause: 'enough' })
  })

  it('rejects connect and subscribe at their deadlines, and connect may be called again', async () => {
    broker.down()
    const transport = createMemory({ broker })
    const context = { logger: silentLogger, clock }
    const connecting = watch(transport.connect(context, ['orders'], client.within(300)))
    const subscribing = watch(client.transport.subscribe(subscriptionOf(), () => undefined, client.within(300)))
    await clock.advance(299)
    expect([connecting.state, subscribing.state]).toEqual(['pending', 'pending'])
    await clock.advance(1)
    expect([connecting, subscribing]).toEqual(Array(2).fill({ state: 'rejected', code: 'POSTHORN_UNREACHABLE' }))
    broker.up()
    await transport.connect(context, ['orders'], client.within())
    expect(transport.health()).toEqual({
      ready: true,
      live: true,
      reasons: [],
      state: 'ready',
      addresses: ['memory'],
      reconnects: 0,
    })
  })

  it('rejects connect at its signal', async () => {
    broker.down()
    const abort = new AbortController()
    const options = { ...client.within(), signal: abort.signal }
    const connecting = createMemory({ broker }).connect({ logger: silentLogger, clock }, [], options)
    abort.abort('enough')
    await expect(connecting).rejects.toMatchObject({ code: 'POSTHORN_UNREACHABLE', cause: 'enough' })
  })

  it('redelivers what was unsettled when it is up again, and keeps delays and messages meanwhile', async () => {
    const inbox = await client.subscribe({ rungsMs: [1_000] })
    await client.send('1')
    await client.send('2', { target: { retry: { ...billing, delayMs: 1_000 } } })
    await clock.advance(0)
    broker.down()
    await clock.advance(2_000)
    expect(inbox.ids()).toEqual(['1'])
    broker.up()
    await clock.advance(0)
    expect([inbox.ids(), redeliveries(inbox)]).toEqual([
      ['1', '1', '2'],
      [0, 1, 0],
    ])
  })

  it('accepts a subscription that waited, once it is up', async () => {
    broker.down()
    const subscribing = client.subscribe()
    broker.up()
    const inbox = await subscribing
    await client.send('1')
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1'])
  })
})

describe('close', () => {
  it('gives back what is unsettled, not counted, and makes it stale', async () => {
    const inbox = await client.subscribe()
    for (const id of ['1', '2', '3']) await client.send(id)
    await clock.advance(0)
    await client.transport.close(0)
    find(inbox, '1').complete()
    const later = await (await createTestClient(broker, clock)).subscribe()
    await clock.advance(0)
    expect([later.ids(), redeliveries(later)]).toEqual([
      ['1', '2', '3'],
      [0, 0, 0],
    ])
  })

  it('confirms what the broker has, and rejects what waits for it', async () => {
    await client.subscribe({ maxInFlight: 1 })
    const confirmed = watch(client.send('1'))
    await client.transport.close(0)
    expect(confirmed.state).toBe('resolved')
    const other = await createTestClient(broker, clock)
    broker.down()
    const waiting = other.send('2')
    const subscribing = watch(other.transport.subscribe(subscriptionOf(), () => undefined, other.within()))
    await other.transport.close(0)
    await expect(waiting).rejects.toMatchObject({ ...lost, outcome: 'notSent' })
    expect(subscribing).toEqual({ state: 'rejected', code: 'POSTHORN_CONNECTION_LOST' })
  })

  it('is idempotent, and final', async () => {
    await client.transport.close(0)
    await client.transport.close(0)
    expect(client.transport.health().state).toBe('closed')
    await expect(client.send('1')).rejects.toMatchObject({ ...lost, outcome: 'notSent' })
    await expect(client.subscribe()).rejects.toMatchObject({ code: 'POSTHORN_CONNECTION_LOST' })
    broker.dropConnections()
    await clock.advance(0)
    expect(client.transport.health().state).toBe('closed')
  })

  it('works before connect, while connecting, and while the broker is down', async () => {
    broker.down()
    const idle = createMemory({ broker })
    const connecting = createMemory({ broker })
    const connected = watch(connecting.connect({ logger: silentLogger, clock }, [], client.within()))
    for (const transport of [idle, connecting, client.transport]) await transport.close(0)
    await clock.advance(0)
    expect(connected).toEqual({ state: 'rejected', code: 'POSTHORN_CONNECTION_LOST' })
    broker.up()
    await clock.advance(0)
    for (const transport of [idle, connecting, client.transport]) expect(transport.health().state).toBe('closed')
  })
})
