import { beforeEach, describe, expect, it } from 'vitest'
import { createMemoryBroker } from '../src/memoryBroker.js'
import type { MemoryBroker } from '../src/memoryBroker.js'
import { createVirtualClock } from '../src/virtualClock.js'
import type { VirtualClock } from '../src/virtualClock.js'
import { billing, createTestClient } from './testClient.js'
import type { TestClient } from './testClient.js'

let clock: VirtualClock
let broker: MemoryBroker
let client: TestClient
const after = (delayMs: number) => ({ target: { retry: { ...billing, delayMs } } })

beforeEach(async () => {
  clock = createVirtualClock()
  broker = createMemoryBroker({ clock, maxMessages: 4 })
  client = await createTestClient(broker, clock)
})

describe('Rung', () => {
  it('keeps a retry until its delay is over, then brings it to the group only', async () => {
    const inbox = await client.subscribe({ rungsMs: [1_000] })
    const other = await client.subscribe({ group: 'audit' })
    expect(await client.send('1', after(1_000))).toEqual({ routed: true })
    expect(broker.queues()[1]).toEqual({ name: 'orders.billing.retry.1000', ready: 1, unsettled: 0, members: 0 })
    await clock.advance(999)
    expect(inbox.ids()).toEqual([])
    await clock.advance(1)
    expect([inbox.ids(), other.ids()]).toEqual([['1'], []])
    expect(inbox.deliveries[0]?.address).toBe('orders.billing')
  })

  it('does not let a short delay wait behind a long one', async () => {
    const inbox = await client.subscribe({ rungsMs: [1_000, 6_000] })
    await client.send('long', after(6_000))
    await client.send('short', after(1_000))
    await clock.advance(1_000)
    expect(inbox.ids()).toEqual(['short'])
    await clock.advance(5_000)
    expect(inbox.ids()).toEqual(['short', 'long'])
  })

  it('has one timer for any number of messages, and each comes at its own time', async () => {
    const inbox = await client.subscribe({ rungsMs: [1_000] })
    await clock.runAll()
    const before = clock.pending
    for (const id of ['1', '2', '3']) {
      await client.send(id, after(1_000))
      await clock.advance(100)
    }
    expect(clock.pending).toBe(before + 1)
    await clock.advance(700)
    expect(inbox.ids()).toEqual(['1'])
    await clock.advance(100)
    expect(inbox.ids()).toEqual(['1', '2'])
    await clock.runAll()
    expect([inbox.ids(), clock.pending]).toEqual([['1', '2', '3'], before])
  })

  it('keeps its messages while nobody is connected', async () => {
    await client.subscribe({ rungsMs: [1_000] })
    await client.send('1', after(1_000))
    await client.transport.close(0)
    await clock.advance(2_000)
    const inbox = await (await createTestClient(broker, clock)).subscribe()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1'])
  })

  it('keeps what is due while the group’s queue is full, and loses and reorders nothing', async () => {
    const inbox = await client.subscribe({ rungsMs: [1_000, 2_000], maxInFlight: 4 })
    for (const id of ['1', '2', '3']) await client.send(id)
    for (const id of ['r1', 'r2']) await client.send(id, after(1_000))
    await client.send('s1', after(2_000))
    await clock.advance(5_000)
    expect(inbox.ids()).toEqual(['1', '2', '3', 'r1'])
    expect(broker.queues().map(({ ready }) => ready)).toEqual([0, 1, 1, 0])
    for (const delivery of inbox.deliveries.slice(0, 1)) delivery.complete()
    await clock.advance(0)
    for (const delivery of inbox.deliveries.slice(1, 3)) delivery.complete()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1', '2', '3', 'r1', 'r2', 's1'])
  })

  it('refuses more than the broker keeps in one queue', async () => {
    await client.subscribe({ rungsMs: [1_000] })
    for (const id of ['1', '2', '3', '4']) await client.send(id, after(1_000))
    await expect(client.send('5', after(1_000))).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_REFUSED',
      outcome: 'notSent',
    })
  })

  it('is never early, not even on a clock whose timers are', async () => {
    const hasty = {
      ...clock,
      schedule: (ms: number, action: () => void) => clock.schedule(ms > 1 ? ms - 1 : ms, action),
    }
    broker = createMemoryBroker({ clock: hasty })
    client = await createTestClient(broker, clock)
    const inbox = await client.subscribe({ rungsMs: [1_000] })
    await client.send('1', after(1_000))
    await clock.advance(999)
    expect(inbox.ids()).toEqual([])
    await clock.advance(1)
    expect(inbox.ids()).toEqual(['1'])
  })

  it('leaves no timer behind when the broker is closed', async () => {
    await client.subscribe({ rungsMs: [1_000] })
    await clock.runAll()
    await client.send('1', after(1_000))
    await client.transport.close(0)
    broker.close()
    await clock.advance(100_000)
    expect(clock.pending).toBe(0)
  })
})
