import type { Delivery, RunningSubscription } from '@posthorn/core/adapter'
import { beforeEach, describe, expect, it } from 'vitest'
import { createMemoryBroker } from '../src/memoryBroker.js'
import type { MemoryBroker } from '../src/memoryBroker.js'
import { createVirtualClock } from '../src/virtualClock.js'
import { billing, createTestClient, subscriptionOf } from './testClient.js'
import type { Inbox, TestClient } from './testClient.js'

const clock = createVirtualClock()
let broker: MemoryBroker
let client: TestClient

beforeEach(async () => {
  broker = createMemoryBroker({ clock, partitions: 4 })
  client = await createTestClient(broker, clock)
})

const idsUpTo = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index))
const find = (inbox: Inbox, id: string): Delivery => inbox.deliveries.findLast((each) => each.id === id) as Delivery
const counts = () => {
  const [work] = broker.queues()
  return { ready: work?.ready, unsettled: work?.unsettled }
}

async function sendAll(ids: readonly string[], keyOf?: (id: string) => string): Promise<void> {
  await Promise.all(ids.map((id) => client.send(id, keyOf === undefined ? {} : { partitionKey: keyOf(id) })))
  await clock.advance(0)
}

describe('a queue', () => {
  it('delivers what was sent: bytes as they are, headers without prototype and frozen', async () => {
    const inbox = await client.subscribe()
    const body = new Uint8Array([1, 2, 3])
    const headers: Record<string, string> = { traceparent: '00-1' }
    await client.send('1', { body, headers, contentType: 'text/plain', partitionKey: 'k' })
    headers['traceparent'] = 'changed'
    await clock.advance(0)
    const [delivery] = inbox.deliveries
    expect(delivery?.body).toBe(body)
    expect(delivery).toMatchObject({ contentType: 'text/plain', address: 'orders.billing', id: '1', partitionKey: 'k' })
    expect(delivery?.brokerRedeliveries).toBe(0)
    expect({ ...delivery?.headers }).toEqual({ traceparent: '00-1' })
    expect(Object.getPrototypeOf(delivery?.headers)).toBeNull()
    expect(Object.isFrozen(delivery?.headers)).toBe(true)
  })

  it('delivers a message without body and without key as such', async () => {
    const inbox = await client.subscribe()
    await client.send('1', { body: null })
    await clock.advance(0)
    expect(inbox.deliveries[0]?.body).toBeNull()
    expect(inbox.deliveries[0]).not.toHaveProperty('partitionKey')
  })

  it('hands over in a later turn, all that is ready in one call', async () => {
    const inbox = await client.subscribe()
    const sends = idsUpTo(50).map((id) => client.send(id))
    await Promise.resolve()
    expect(inbox.batches).toHaveLength(0)
    await Promise.all(sends)
    await clock.advance(0)
    expect(inbox.batches).toHaveLength(1)
    expect(inbox.ids()).toEqual(idsUpTo(50))
  })

  it('never has more unsettled with a member than its maxInFlight', async () => {
    const inbox = await client.subscribe({ maxInFlight: 3 })
    await sendAll(idsUpTo(5))
    expect(inbox.ids()).toEqual(['0', '1', '2'])
    expect(counts()).toEqual({ ready: 2, unsettled: 3 })
    find(inbox, '1').complete()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['0', '1', '2', '3'])
  })

  it('pauses a member while its bytes are at their limit, however large a single message is', async () => {
    const inbox = await client.subscribe({ maxInFlightBytes: 100 })
    for (const [id, length] of Object.entries({ a: 60, b: 60, c: 500, d: 1 })) {
      await client.send(id, { body: new Uint8Array(length) })
    }
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['a', 'b'])
    find(inbox, 'a').complete()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['a', 'b', 'c'])
    find(inbox, 'b').complete()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['a', 'b', 'c'])
    find(inbox, 'c').complete()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('gives members equal shares, each message to one of them', async () => {
    const inboxes = [await client.subscribe(), await client.subscribe(), await client.subscribe()]
    await sendAll(idsUpTo(30))
    expect(inboxes.map((inbox) => inbox.deliveries.length)).toEqual([10, 10, 10])
    expect(new Set(inboxes.flatMap((inbox) => inbox.ids())).size).toBe(30)
  })

  it('gives the share of a member without room to the others', async () => {
    const small = await client.subscribe({ maxInFlight: 2 })
    const large = await client.subscribe()
    await sendAll(idsUpTo(20))
    expect([small.deliveries.length, large.deliveries.length]).toEqual([2, 18])
  })

  it('lets members compete for dead letters, too', async () => {
    await client.subscribe()
    const readers = [await client.subscribe({ source: 'dead' }), await client.subscribe({ source: 'dead' })]
    for (const id of idsUpTo(4)) await client.send(id, { target: { dead: billing } })
    await clock.advance(0)
    expect(new Set(readers.flatMap((reader) => reader.ids()))).toEqual(new Set(idsUpTo(4)))
    expect(readers.map((reader) => reader.deliveries.length)).toEqual([2, 2])
    expect(readers[0]?.deliveries[0]?.address).toBe('orders.billing.dead')
  })
})

describe('settling', () => {
  it('forgets what is completed', async () => {
    const inbox = await client.subscribe()
    await sendAll(['1'])
    find(inbox, '1').complete()
    expect(counts()).toEqual({ ready: 0, unsettled: 0 })
    broker.dropConnections()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1'])
  })

  it('delivers what is released again, in its old place and not counted', async () => {
    const inbox = await client.subscribe({ maxInFlight: 3 })
    await sendAll(idsUpTo(5))
    find(inbox, '2').release()
    find(inbox, '0').release()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['0', '1', '2', '0', '2'])
    expect(inbox.deliveries.map((each) => each.brokerRedeliveries)).toEqual([0, 0, 0, 0, 0])
  })

  it('lets the first settlement win', async () => {
    const inbox = await client.subscribe()
    await sendAll(['1', '2'])
    const [first, second] = [find(inbox, '1'), find(inbox, '2')]
    first.complete()
    first.release()
    first.complete()
    second.release()
    second.complete()
    expect(counts()).toEqual({ ready: 1, unsettled: 0 })
    await clock.advance(0)
    second.complete()
    second.release()
    expect(counts()).toEqual({ ready: 0, unsettled: 1 })
    expect(inbox.ids()).toEqual(['1', '2', '2'])
  })

  it('works on a delivery that was copied by spreading, as wrappers do', async () => {
    const inbox = await client.subscribe()
    await sendAll(['1'])
    const copy = { ...find(inbox, '1') }
    copy.complete()
    expect(counts()).toEqual({ ready: 0, unsettled: 0 })
  })

  it('may happen within the hand-over', async () => {
    let handled = 0
    const onDeliveries = (deliveries: readonly Delivery[]): void => {
      handled += deliveries.length
      for (const delivery of deliveries) delivery.complete()
    }
    await client.transport.subscribe(subscriptionOf({ maxInFlight: 2 }), onDeliveries, client.within())
    await sendAll(idsUpTo(7))
    expect([handled, counts()]).toEqual([7, { ready: 0, unsettled: 0 }])
  })
})

describe('stopping a member', () => {
  it('hands nothing more to it, not even what was meant for it in the same turn', async () => {
    const got: [string, Delivery][] = []
    const members = new Map<string, RunningSubscription>()
    for (const [name, other] of Object.entries({ one: 'two', two: 'one' })) {
      const onDeliveries = (deliveries: readonly Delivery[]): void => {
        got.push(...deliveries.map((delivery): [string, Delivery] => [name, delivery]))
        void members.get(other)?.stop(0)
      }
      members.set(name, await client.transport.subscribe(subscriptionOf(), onDeliveries, client.within()))
    }
    await sendAll(['1', '2', '3', '4'])
    expect(new Set(got.map(([name]) => name)).size).toBe(1)
    expect(new Set(got.map(([, delivery]) => delivery.id))).toEqual(new Set(['1', '2', '3', '4']))
    expect(got.map(([, delivery]) => delivery.brokerRedeliveries)).toEqual([0, 0, 0, 0])
  })

  it('leaves what it holds its own until that is settled', async () => {
    const leaving = await client.subscribe({ maxInFlight: 2 })
    await sendAll(['1', '2', '3'])
    await leaving.stop(0)
    const staying = await client.subscribe()
    await clock.advance(0)
    expect([leaving.ids(), staying.ids()]).toEqual([['1', '2'], ['3']])
    find(leaving, '1').complete()
    find(leaving, '2').release()
    await clock.advance(0)
    expect([leaving.ids(), staying.ids()]).toEqual([
      ['1', '2'],
      ['3', '2'],
    ])
    expect(counts()).toEqual({ ready: 0, unsettled: 2 })
  })

  it('may be repeated', async () => {
    const inbox = await client.subscribe()
    await inbox.stop(0)
    await inbox.stop(0)
    expect(broker.queues()[0]?.members).toBe(0)
  })
})

describe('an ordered queue', () => {
  const keyOf = (id: string): string => `k${Number(id) % 10}`
  const keysOf = (inbox: Inbox): Set<string> => new Set(inbox.deliveries.map((each) => each.partitionKey as string))

  it('gives each key to one member, and its messages in order', async () => {
    const inboxes = [await client.subscribe({ ordered: true }), await client.subscribe({ ordered: true })]
    await sendAll(idsUpTo(100), keyOf)
    const [one, other] = inboxes.map(keysOf) as [Set<string>, Set<string>]
    expect([...one].filter((key) => other.has(key))).toEqual([])
    expect(one.size + other.size).toBe(10)
    expect(Math.min(one.size, other.size)).toBeGreaterThan(0)
    for (const inbox of inboxes) {
      for (const key of keysOf(inbox)) {
        const sequence = inbox.deliveries.filter((each) => each.partitionKey === key).map((each) => Number(each.id))
        expect(sequence).toEqual(sequence.toSorted((a, b) => a - b))
      }
    }
  })

  it('spreads messages without a key', async () => {
    const inboxes = [await client.subscribe({ ordered: true }), await client.subscribe({ ordered: true })]
    await sendAll(idsUpTo(20))
    expect(inboxes.map((inbox) => inbox.deliveries.length)).toEqual([10, 10])
  })

  it('lets a busy key take no more than its turn', async () => {
    const inbox = await client.subscribe({ ordered: true, maxInFlight: 1 })
    const lane = (id: string): string => (id === 'other' ? 'b' : 'a')
    await sendAll([...idsUpTo(10), 'other'], lane)
    for (let taken = 0; taken < 2; taken += 1) {
      inbox.deliveries.at(-1)?.complete()
      await clock.advance(0)
    }
    expect(inbox.ids()).toContain('other')
  })

  it('delivers a partition that moved only when its old owner settled what it holds of it', async () => {
    const old = await client.subscribe({ ordered: true, maxInFlight: 100 })
    await sendAll(idsUpTo(20), keyOf)
    const young = await client.subscribe({ ordered: true })
    await sendAll(idsUpTo(40).slice(20), keyOf)
    expect(young.ids()).toEqual([])
    const [first, ...rest] = old.deliveries.slice(0, 20)
    for (const delivery of rest) delivery.complete()
    await clock.advance(0)
    const before = young.deliveries.length
    expect(before).toBeGreaterThan(0)
    first?.complete()
    await clock.advance(0)
    const all = [...old.ids(), ...young.ids()].toSorted((a, b) => Number(a) - Number(b))
    expect(all).toEqual(idsUpTo(40))
  })

  it('gives what an old owner releases to the new one, before what came later', async () => {
    const old = await client.subscribe({ ordered: true, maxInFlight: 2 })
    await sendAll(['0', '1', '2', '3'], () => 'one key')
    const young = await client.subscribe({ ordered: true })
    await old.stop(0)
    find(old, '0').release()
    await clock.advance(0)
    expect(young.ids()).toEqual([])
    find(old, '1').release()
    await clock.advance(0)
    expect(young.ids()).toEqual(['0', '1', '2', '3'])
  })

  it('brings a retry to the member that has the key', async () => {
    const inboxes = [
      await client.subscribe({ ordered: true, rungsMs: [10] }),
      await client.subscribe({ ordered: true, rungsMs: [10] }),
    ]
    await sendAll(['1'], () => 'k')
    const owner = inboxes.find((inbox) => inbox.deliveries.length === 1) as Inbox
    await client.send('1', { partitionKey: 'k', target: { retry: { ...billing, delayMs: 10 } } })
    owner.deliveries[0]?.complete()
    await clock.advance(10)
    expect(owner.ids()).toEqual(['1', '1'])
  })
})
