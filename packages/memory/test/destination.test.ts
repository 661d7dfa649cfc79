import { beforeEach, describe, expect, it } from 'vitest'
import { createMemoryBroker } from '../src/memoryBroker.js'
import type { MemoryBroker } from '../src/memoryBroker.js'
import { createVirtualClock } from '../src/virtualClock.js'
import { billing, createTestClient } from './testClient.js'
import type { TestClient } from './testClient.js'

const clock = createVirtualClock()
let broker: MemoryBroker
let client: TestClient

beforeEach(async () => {
  broker = createMemoryBroker({ clock })
  client = await createTestClient(broker, clock)
})

describe('routing', () => {
  it('takes a message to every group whose types contain its type', async () => {
    const one = await client.subscribe({ group: 'billing', types: ['placed', 'paid'] })
    const other = await client.subscribe({ group: 'shipping', types: ['placed'] })
    const all = await client.subscribe({ group: 'audit', types: 'all' })
    const elsewhere = await client.subscribe({ destination: 'users' })
    expect(await client.send('1')).toEqual({ routed: true })
    expect(await client.send('2', { type: 'paid' })).toEqual({ routed: true })
    expect(await client.send('3', { type: 'rejected' })).toEqual({ routed: true })
    await clock.advance(0)
    expect([one, other, all, elsewhere].map((inbox) => inbox.ids())).toEqual([['1', '2'], ['1'], ['1', '2', '3'], []])
  })

  it('says that a message is unrouted when no group wants its type, or nobody knows the destination', async () => {
    await client.subscribe({ types: ['paid'] })
    expect(await client.send('1')).toEqual({ routed: false })
    expect(await client.send('2', { target: { destination: 'nowhere' } })).toEqual({ routed: false })
  })

  it('adds up the types of all subscriptions of a group, and keeps them when a member stops', async () => {
    const first = await client.subscribe({ types: ['placed'] })
    const second = await client.subscribe({ types: ['paid'] })
    await first.stop(0)
    await client.send('1')
    await client.send('2', { type: 'paid' })
    await clock.advance(0)
    expect(second.ids()).toEqual(['1', '2'])
  })

  it('collects messages for a group that has no member at present', async () => {
    const first = await client.subscribe()
    await first.stop(0)
    await client.transport.close(0)
    const later = await createTestClient(broker, clock)
    expect(await later.send('1')).toEqual({ routed: true })
    const inbox = await later.subscribe()
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1'])
  })

  it('takes a group’s target to that group only, whatever the type', async () => {
    const inbox = await client.subscribe({ types: ['paid'] })
    const other = await client.subscribe({ group: 'audit' })
    expect(await client.send('1', { target: { group: billing } })).toEqual({ routed: true })
    await clock.advance(0)
    expect([inbox.ids(), other.ids()]).toEqual([['1'], []])
  })

  it('says unrouted for retry, dead and group targets of a group that nobody declared', async () => {
    await client.subscribe({ group: 'audit' })
    const targets = [{ retry: { ...billing, delayMs: 1_000 } }, { dead: billing }, { group: billing }]
    for (const target of targets) expect(await client.send('1', { target })).toEqual({ routed: false })
  })

  it('says unrouted for a rung that no subscription declared, as a missing queue would', async () => {
    await client.subscribe({ rungsMs: [1_000] })
    expect(await client.send('1', { target: { retry: { ...billing, delayMs: 2_000 } } })).toEqual({ routed: false })
  })

  it('does not bind a group that only has readers of its dead letters', async () => {
    const reader = await client.subscribe({ source: 'dead' })
    expect(await client.send('1')).toEqual({ routed: false })
    expect(await client.send('2', { target: { group: billing } })).toEqual({ routed: false })
    expect(await client.send('3', { target: { dead: billing } })).toEqual({ routed: true })
    await clock.advance(0)
    expect(reader.ids()).toEqual(['3'])
  })

  it('refuses a member that asks for another order than the group has', async () => {
    const inbox = await client.subscribe({ ordered: false })
    await expect(client.subscribe({ ordered: true })).rejects.toMatchObject({ code: 'POSTHORN_TOPOLOGY_MISMATCH' })
    await client.send('1')
    await clock.advance(0)
    expect(inbox.ids()).toEqual(['1'])
  })
})
