import type { Receipt } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import type { MemoryStore } from '../../src/index.js'
import { partitionOf } from '../../src/index.js'
import { confirmed, createBench, entriesOf, entryOf, refusal } from './bench.js'

/** A store that can be cut off. */
function severable(): { decorate: (store: MemoryStore) => MemoryStore; cut(isCut: boolean): void } {
  let isCut = false
  const guard = <Value>(call: () => Promise<Value>): Promise<Value> =>
    isCut ? Promise.reject(new Error('cut')) : call()
  return {
    cut: (value) => (isCut = value),
    decorate: (store) => ({
      ...store,
      renew: (...args) => guard(() => store.renew(...args)),
      read: (...args) => guard(() => store.read(...args)),
      remove: (...args) => guard(() => store.remove(...args)),
      leave: (...args) => guard(() => store.leave(...args)),
    }),
  }
}

const keys = (count: number): ReturnType<typeof entryOf>[] =>
  Array.from({ length: count }, (_, n) => entryOf(`key${n}`, 1))

describe('leases', () => {
  it('are shared by relays that come and go, without anything published twice', async () => {
    const { relay, transport, commit, clock, another } = createBench({ partitionCount: 12 })
    const all = [{ relay, transport }]
    await relay.start()
    for (const step of ['join', 'join', 'leave', 'leave']) {
      if (step === 'join') {
        const next = another()
        all.push(next)
        await next.relay.start()
      } else
        await all[step === 'leave' ? all.findIndex((one) => one.relay.health().state === 'running') : 0]?.relay.stop()
      await commit(keys(20))
      await clock.advance(8_000)
      const running = all.map((one) => one.relay.health()).filter(({ state }) => state === 'running')
      expect(running.map(({ leases }) => leases)).toEqual(running.map(() => 12 / running.length))
    }
    expect(all.flatMap((one) => one.transport.sent)).toHaveLength(80)
  })

  it('go back only when nothing of the partition is under way', async () => {
    const { relay, transport, commit, clock, another } = createBench({ partitionCount: 2 })
    const confirm: (() => void)[] = []
    transport.answer = () => new Promise<Receipt>((resolve) => confirm.push(() => resolve({ routed: true })))
    await commit(keys(20))
    await relay.start()
    const other = another()
    await other.relay.start()
    await clock.advance(8_000)
    expect([relay.health().leases, other.relay.health().leases]).toEqual([2, 0])
    expect(other.transport.sent).toEqual([])
    for (const one of confirm.splice(0)) one()
    await clock.advance(8_000)
    expect([relay.health().leases, other.relay.health().leases]).toEqual([1, 1])
  })

  it('that the store was asked to take back, and did not answer, are not used again before they come anew', async () => {
    let late: (() => Promise<void>) | undefined
    const given: number[] = []
    const { relay, transport, commit, clock, another } = createBench({
      partitionCount: 2,
      decorate: (inner) => ({
        ...inner,
        giveBack: (name, leases) => {
          given.push(...leases.map(({ partition }) => partition))
          late ??= () => inner.giveBack(name, leases)
          return Promise.reject(new Error('no answer'))
        },
      }),
    })
    await relay.start()
    const other = another()
    await other.relay.start()
    await clock.advance(4_000)
    const [partition] = given
    if (partition === undefined) throw new Error('nothing was given back')
    // What was asked is not done yet when the other relay is gone, and the share covers the partition again.
    const leaving = other.relay.stop()
    await clock.advance(20_000)
    await leaving
    const [key] = keysOfPartition(partition === 0 ? 0 : 1, 2)
    await commit([entryOf(key, 1)])
    await clock.advance(20_000)
    expect(transport.sent).toEqual([])
    await late?.()
    await clock.advance(20_000)
    expect(transport.sent).toEqual([`${key}-1`])
    expect(relay.health()).toMatchObject({ leases: 2, counts: { leasesGained: 3, leasesLost: 0, removed: 1 } })
  })

  it('of a relay that dies are taken over when they have run out, and what it had under way is published again', async () => {
    const line = severable()
    const { relay, transport, commit, clock, another, store } = createBench()
    const dying = another({ store: line.decorate(store) })
    dying.transport.answer = () => new Promise(() => {})
    await commit(entriesOf('a', 3))
    await dying.relay.start()
    await clock.advance(10)
    line.cut(true)
    await relay.start()
    await clock.advance(9_000)
    expect(transport.sent).toEqual([])
    await clock.advance(6_000)
    expect(dying.transport.sent).toEqual(['a-1'])
    expect(transport.sent).toEqual(['a-1', 'a-2', 'a-3'])
    expect((await store.stats()).depth).toBe(0)
  })

  it('that cannot be renewed end what is sent, before their end', async () => {
    const line = severable()
    const { relay, transport, commit, clock } = createBench({ decorate: line.decorate, maxInFlight: 100 })
    const sentAt: number[] = []
    const deadlines: number[] = []
    transport.answer = async ({ options }) => {
      sentAt.push(clock.monotonic())
      deadlines.push(options.deadline)
      await new Promise<void>((resolve) => clock.schedule(500, resolve))
      return { routed: true }
    }
    await commit(entriesOf('a', 90))
    await relay.start()
    await clock.advance(100)
    line.cut(true)
    await clock.advance(60_000)
    expect(Math.max(...sentAt)).toBeGreaterThan(8_000)
    expect(Math.max(...sentAt)).toBeLessThan(9_000)
    expect(Math.max(...deadlines)).toBeLessThanOrEqual(9_000)
    expect(relay.health()).toMatchObject({ ready: false })
    line.cut(false)
    await clock.advance(60_000)
    expect(relay.health()).toMatchObject({ ready: true, depth: 0, leases: 8 })
    expect(relay.health().counts.leasesLost).toBe(8)
  })

  it('that another relay took over while this one stood still are lost, and nothing is removed under them', async () => {
    const { relay, transport, commit, clock, store } = createBench({ partitionCount: 1 })
    let confirm: (() => void) | undefined
    transport.answer = () => new Promise<Receipt>((resolve) => (confirm = () => resolve({ routed: true })))
    await commit(entriesOf('a', 3))
    await relay.start()
    await clock.advance(10)
    // Somebody else takes everything, as after a pause that was longer than the lease.
    await store.leave(relay.health().relay)
    const taken = await store.renew('another', 600_000)
    expect(taken.leases).toHaveLength(1)
    confirm?.()
    await clock.advance(30_000)
    expect(transport.sent.slice(0, 2)).toEqual(['a-1', 'a-2'])
    expect((await store.stats()).depth).toBe(3)
    expect(relay.health()).toMatchObject({ leases: 0 })
    expect(relay.health().counts).toMatchObject({ removed: 0, leasesLost: 1 })
  })

  it('that come back wait for the sends of before, so that nothing overtakes them', async () => {
    const { relay, transport, commit, clock, store } = createBench({ partitionCount: 1 })
    let confirm: (() => void) | undefined
    transport.answer = ({ message }) =>
      message.id === 'a-1' && confirm === undefined
        ? new Promise<Receipt>((resolve) => (confirm = () => resolve({ routed: true })))
        : Promise.resolve({ routed: true })
    await commit(entriesOf('a', 3))
    await relay.start()
    await clock.advance(10)
    await store.leave(relay.health().relay)
    await clock.advance(6_000)
    expect(relay.health().leases).toBe(1)
    expect(transport.sent).toEqual(['a-1'])
    confirm?.()
    await clock.advance(4_000)
    expect(transport.sent).toEqual(['a-1', 'a-1', 'a-2', 'a-3'])
    expect((await store.stats()).depth).toBe(0)
  })

  it('that come back wait until the failures of before are told, so that nothing overtakes what failed', async () => {
    let isDeaf = true
    const { relay, transport, commit, clock, store } = createBench({
      partitionCount: 1,
      decorate: (inner) => ({ ...inner, fail: (...args) => (isDeaf ? new Promise(() => {}) : inner.fail(...args)) }),
    })
    transport.answer = () => Promise.reject(refusal('POSTHORN_PUBLISH_NO_DESTINATION'))
    await commit(entriesOf('a', 3))
    await relay.start()
    await clock.advance(10)
    isDeaf = false
    transport.answer = confirmed
    await store.leave(relay.health().relay)
    await clock.advance(9_000)
    expect(relay.health()).toMatchObject({ leases: 1, counts: { leasesLost: 1 } })
    expect(transport.confirmed).toEqual([])
    // The store is not waited for longer than a lease, and nothing but that end tells that there is something to read.
    await clock.advance(1_100)
    expect(transport.confirmed).toEqual(['a-1', 'a-2', 'a-3'])
  })

  it.each([
    ['what it had under way was lost', 'POSTHORN_PUBLISH_CONNECTION_LOST'],
    ['its failure could not be told', 'POSTHORN_PUBLISH_TOO_LARGE'],
  ] as const)('that stay after all leave no key behind: %s while they drained', async (_, code) => {
    const { relay, transport, commit, clock, another } = createBench({
      partitionCount: 2,
      decorate: (inner) => ({ ...inner, fail: () => Promise.reject(new Error('no')) }),
    })
    // One partition has the least under way, so that it goes; a second key keeps it from going.
    const [first, second] = keysOfPartition(0, 2)
    const others = keysOfPartition(1, 3)
    const pending = new Map<string, { resolve(receipt: Receipt): void; reject(error: unknown): void }>()
    transport.answer = ({ message }) =>
      new Promise<Receipt>((resolve, reject) => pending.set(message.id, { resolve, reject }))
    await commit([first, second, ...others].map((key) => entryOf(key, 1)))
    await relay.start()
    await clock.advance(10)
    expect(pending.size).toBe(5)
    const other = another()
    await other.relay.start()
    await clock.advance(4_000)
    pending.get(`${first}-1`)?.reject(refusal(code))
    await clock.advance(100)
    const leaving = other.relay.stop()
    await clock.advance(4_000)
    await leaving
    transport.answer = confirmed
    for (const one of pending.values()) one.resolve({ routed: true })
    await commit([entryOf(first, 2), entryOf(second, 2)])
    await clock.advance(4_000)
    expect(relay.health()).toMatchObject({ leases: 2, counts: { leasesLost: 0 } })
    expect(transport.confirmed.filter((id) => id.startsWith(`${first}-`))).toEqual([`${first}-1`, `${first}-2`])
    expect(relay.health()).toMatchObject({ held: 0, counts: { removed: 7 } })
  })
})

/** Keys of one of two partitions. */
function keysOfPartition(partition: number, count: 2): [string, string]
function keysOfPartition(partition: number, count: number): string[]
function keysOfPartition(partition: number, count: number): string[] {
  const all = Array.from({ length: 100 }, (_, n) => `key${n}`)
  return all.filter((key) => partitionOf(key, 2) === partition).slice(0, count)
}
