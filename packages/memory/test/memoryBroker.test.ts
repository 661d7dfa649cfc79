import { beforeEach, describe, expect, it } from 'vitest'
import { createMemoryBroker } from '../src/memoryBroker.js'
import type { MemoryBroker } from '../src/memoryBroker.js'
import { createVirtualClock } from '../src/virtualClock.js'
import type { VirtualClock } from '../src/virtualClock.js'
import { billing, createTestClient, messageOf, orders, subscriptionOf } from './testClient.js'
import type { TestClient } from './testClient.js'

let clock: VirtualClock
let broker: MemoryBroker
let client: TestClient

beforeEach(async () => {
  clock = createVirtualClock()
  broker = createMemoryBroker({ clock })
  client = await createTestClient(broker, clock)
})

describe('createMemoryBroker', () => {
  it('tells every queue with what is ready and what is unsettled', async () => {
    expect(broker.queues()).toEqual([])
    await client.subscribe({ rungsMs: [1_000, 5_000], maxInFlight: 2 })
    for (const id of ['1', '2', '3']) await client.send(id)
    await client.send('4', { target: { retry: { ...billing, delayMs: 5_000 } } })
    await client.send('5', { target: { dead: billing } })
    expect(broker.queues()).toEqual([
      { name: 'orders.billing', ready: 1, unsettled: 2, members: 1 },
      { name: 'orders.billing.retry.1000', ready: 0, unsettled: 0, members: 0 },
      { name: 'orders.billing.retry.5000', ready: 1, unsettled: 0, members: 0 },
      { name: 'orders.billing.dead', ready: 1, unsettled: 0, members: 0 },
    ])
  })

  it('shows the ready messages of a queue without taking them', async () => {
    await client.subscribe()
    const body = new Uint8Array([7])
    await client.send('1', { target: { dead: billing }, body, headers: { reason: 'x' }, partitionKey: 'k' })
    await client.send('2', { target: { dead: billing } })
    const expected = { id: '1', type: 'placed', contentType: 'application/json', body, partitionKey: 'k' }
    for (let look = 0; look < 2; look += 1) {
      const [first, second] = broker.peek('orders.billing.dead')
      expect(first).toMatchObject({ ...expected, headers: { reason: 'x' }, brokerRedeliveries: 0 })
      expect(second).not.toHaveProperty('partitionKey')
    }
    expect(broker.peek('orders.nobody')).toEqual([])
  })

  it('connects services that share it, and is not closed by one of them', async () => {
    const other = await createTestClient(broker, clock)
    const inbox = await other.subscribe()
    await client.send('1')
    await client.transport.close(0)
    await clock.advance(0)
    expect([inbox.ids(), broker.stopped]).toEqual([['1'], false])
  })

  it('holds the virtual time until everything that a message sets off is done', async () => {
    const times: number[] = []
    const followUps = async (): Promise<void> => {
      for (let id = 0; id < 40; id += 1) await client.send(`follow-up ${id}`)
      times.push(clock.monotonic())
    }
    await client.transport.subscribe(
      subscriptionOf({ types: ['start'], rungsMs: [1_000] }),
      () => void followUps(),
      client.within(),
    )
    await client.send('1', { target: { retry: { ...billing, delayMs: 1_000 } }, type: 'start' })
    await clock.advance(60_000)
    expect(times).toEqual([1_000])
  })

  it('forgets everything when it is closed, and is down for good', async () => {
    await client.subscribe({ rungsMs: [60_000] })
    await client.send('1', { target: { retry: { ...billing, delayMs: 60_000 } } })
    broker.close()
    broker.close()
    broker.up()
    expect([broker.queues(), broker.stopped]).toEqual([[], true])
    const send = client.transport.send(orders, messageOf('1'), client.within(5))
    const rejected = expect(send).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
    await clock.advance(5)
    await rejected
    await client.transport.close(0)
    await clock.advance(60_000)
    expect(clock.pending).toBe(0)
  })
})
