import { describe, expect, it } from 'vitest'
import type { Receipt } from '@posthorn/core/adapter'
import { partitionOf } from '../../src/index.js'
import type { NewEntry } from '../../src/index.js'
import { confirmed, createBench, entriesOf, entryOf, refusal } from './bench.js'
import type { RelayBench } from './bench.js'

const never = (): Promise<Receipt> => new Promise(() => {})
const ofKey = (ids: readonly string[], key: string): string[] => ids.filter((id) => id.startsWith(`${key}-`))
const depth = async ({ store }: RelayBench): Promise<number> => (await store.stats()).depth

describe('a relay', () => {
  it('publishes what is committed, in the order of each key, and removes it', async () => {
    const bench = createBench()
    const { relay, transport, commit, clock } = bench
    await commit(entriesOf('a', 3))
    await relay.start()
    await commit([...entriesOf('b', 2), entryOf('a', 4)])
    await clock.advance(100)
    expect(ofKey(transport.sent, 'a')).toEqual(['a-1', 'a-2', 'a-3', 'a-4'])
    expect(ofKey(transport.sent, 'b')).toEqual(['b-1', 'b-2'])
    expect(await depth(bench)).toBe(0)
    expect(relay.health()).toMatchObject({ ready: true, state: 'running', published: 6, leases: 8, held: 0 })
  })

  it('publishes nothing of a transaction that is open or rolled back', async () => {
    const { relay, transport, store, clock } = createBench()
    const [open, undone] = [store.begin(), store.begin()]
    await store.insert(open, entriesOf('a', 2))
    await store.insert(undone, entriesOf('ghost', 2))
    await relay.start()
    await undone.rollback()
    await clock.advance(5_000)
    expect(transport.sent).toEqual([])
    await open.commit()
    await clock.advance(100)
    expect(transport.sent).toEqual(['a-1', 'a-2'])
  })

  it('has one entry of a key in flight, and other keys beside it', async () => {
    const { relay, transport, commit, clock } = createBench({ partitionCount: 1 })
    transport.answer = never
    await commit([...entriesOf('a', 3), ...entriesOf('b', 3)])
    await relay.start()
    await clock.advance(100)
    expect(transport.sent).toEqual(['a-1', 'b-1'])
    expect(relay.health()).toMatchObject({ inFlight: 2, held: 6 })
  })

  it('has as many of a key in flight as it is told', async () => {
    const { relay, transport, commit, clock } = createBench({ maxInFlightPerKey: 3 })
    transport.answer = never
    await commit(entriesOf('a', 5))
    await relay.start()
    await clock.advance(100)
    expect(transport.sent).toEqual(['a-1', 'a-2', 'a-3'])
  })

  it('takes messages without a key for keys of their own', async () => {
    const { relay, transport, commit, clock } = createBench({ partitionCount: 1 })
    transport.answer = never
    const keyless = entriesOf('a', 3).map(({ message: { partitionKey: _key, ...message }, ...entry }) => ({
      ...entry,
      message,
    }))
    await commit(keyless)
    await relay.start()
    await clock.advance(100)
    expect(transport.sent).toEqual(['a-1', 'a-2', 'a-3'])
  })

  it('is not held up by a key that hangs with a long backlog, in its own partition neither', async () => {
    const { relay, transport, commit, clock } = createBench({ partitionCount: 1, maxInFlight: 50 })
    transport.answer = (sending) => (sending.message.partitionKey === 'slow' ? never() : confirmed(sending))
    await commit(entriesOf('slow', 2_000))
    for (let n = 1; n <= 20; n += 1) await commit(entriesOf(`key${n}`, 20).map((entry) => entry))
    await relay.start()
    await clock.advance(3_000)
    expect(transport.confirmed).toHaveLength(400)
    expect(ofKey(transport.sent, 'slow')).toEqual(['slow-1'])
  })

  it('sends an entry that was committed late before those of its key that are not sent yet', async () => {
    const { relay, transport, store, commit, clock } = createBench()
    let confirm: (() => void) | undefined
    transport.answer = (sending) =>
      sending.message.id === 'a-2'
        ? new Promise((resolve) => (confirm = () => resolve({ routed: true })))
        : confirmed(sending)
    const late = store.begin()
    await store.insert(late, [entryOf('a', 1)])
    await commit([entryOf('a', 2), entryOf('a', 3)])
    await relay.start()
    await clock.advance(10)
    await late.commit()
    await clock.advance(10)
    confirm?.()
    await clock.advance(10)
    expect(transport.sent).toEqual(['a-2', 'a-1', 'a-3'])
  })

  it('holds no more entries and bytes than it is told', async () => {
    const count = createBench({ maxInFlight: 10 })
    count.transport.answer = never
    await count.commit(Array.from({ length: 100 }, (_, n) => entryOf(`key${n}`, 1)))
    await count.relay.start()
    await count.clock.advance(3_000)
    expect(count.transport.sent).toHaveLength(10)

    const bytes = createBench({ maxInFlightBytes: 1_000 })
    bytes.transport.answer = never
    const large = (n: number): NewEntry => {
      const entry = entryOf(`key${n}`, 1)
      return { ...entry, message: { ...entry.message, body: new Uint8Array(300) } }
    }
    await bytes.commit(Array.from({ length: 100 }, (_, n) => large(n)))
    await bytes.relay.start()
    await bytes.clock.advance(3_000)
    expect(bytes.transport.sent.length).toBeGreaterThan(0)
    expect(bytes.transport.sent.length).toBeLessThanOrEqual(4)
  })

  it('publishes an entry that alone is larger than all that it may hold', async () => {
    const { relay, transport, commit, clock } = createBench({ maxInFlightBytes: 1 })
    await commit(entriesOf('a', 3))
    await relay.start()
    await clock.advance(1_000)
    expect(transport.sent).toEqual(['a-1', 'a-2', 'a-3'])
  })

  it('releases a message with a time to come soon after it, and never before', async () => {
    const { relay, transport, commit, clock } = createBench()
    await commit([entryOf('a', 1, { notBefore: new Date(clock.now() + 60_000) })])
    await relay.start()
    await clock.advance(59_999)
    expect(transport.sent).toEqual([])
    await clock.advance(100)
    expect(transport.sent).toEqual(['a-1'])
  })

  it('asks less than one query a second when there is nothing to do', async () => {
    let queries = 0
    const { relay, clock } = createBench({
      decorate: (store) =>
        new Proxy(store, {
          get(target, name: keyof typeof store) {
            if (['renew', 'read', 'stats', 'releaseDue', 'remove', 'prepare'].includes(name)) queries += 1
            return target[name]
          },
        }),
    })
    await relay.start()
    await clock.advance(1_000)
    queries = 0
    await clock.advance(100_000)
    expect(queries).toBeGreaterThan(50)
    expect(queries).toBeLessThan(100)
  })

  it('relays once what is there, for tests', async () => {
    const bench = createBench()
    const { relay, commit, transport } = bench
    await relay.start()
    await commit([...entriesOf('a', 2_000), ...entriesOf('b', 10)])
    await relay.runOnce()
    expect(transport.confirmed).toHaveLength(2_010)
    expect(await depth(bench)).toBe(0)
    await relay.stop()
    await expect(relay.runOnce()).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
  })

  it('removes exactly what was confirmed', async () => {
    const bench = createBench()
    const { relay, commit, transport, store, clock } = bench
    transport.answer = (sending) =>
      Number(sending.message.id.split('-')[1]) % 7 === 0
        ? Promise.reject(refusal('POSTHORN_PUBLISH_REFUSED'))
        : confirmed(sending)
    await commit(Array.from({ length: 70 }, (_, n) => entryOf(`key${n}`, n)))
    await relay.start()
    await clock.advance(2_000)
    await relay.stop()
    const { leases } = await store.renew('test', 60_000)
    const all = { except: [], exceptKeys: [], maxCount: 100, maxCountPerPartition: 100, maxBytes: 1e6 }
    const left = await store.read({ relay: 'test', leases, ...all })
    expect(left.map(({ message }) => message.id).sort()).toEqual(
      [0, 7, 14, 21, 28, 35, 42, 49, 56, 63].map((n) => `key${n}-${n}`).sort(),
    )
    expect(transport.confirmed).toHaveLength(60)
  })

  it('repeats a removal that fails, and does not publish those entries again', async () => {
    let failures = 3
    const bench = createBench({
      decorate: (store) => ({
        ...store,
        remove: (relay, entries) =>
          (failures -= 1) >= 0 ? Promise.reject(new Error('no')) : store.remove(relay, entries),
      }),
    })
    const { relay, commit, transport, clock } = bench
    await commit(entriesOf('a', 5))
    await relay.start()
    await clock.advance(5_000)
    expect(failures).toBeLessThan(0)
    expect(transport.sent).toEqual(['a-1', 'a-2', 'a-3', 'a-4', 'a-5'])
    expect(await depth(bench)).toBe(0)
    expect(relay.health().counts).toMatchObject({ published: 5, removed: 5, storeFailures: 3 })
  })

  it('reads on after a read that never came back', async () => {
    let isHanging = true
    const { relay, commit, transport, clock } = createBench({
      decorate: (store) => ({
        ...store,
        read: (request) => (isHanging ? new Promise(() => {}) : store.read(request)),
      }),
    })
    await commit(entriesOf('a', 2))
    await relay.start()
    await clock.advance(5_000)
    isHanging = false
    await clock.advance(15_000)
    expect(transport.sent).toEqual(['a-1', 'a-2'])
  })

  it('shares a partition’s place with nobody: two keys of one partition flow side by side', async () => {
    const keys = Array.from({ length: 100 }, (_, n) => `k${n}`).filter((key) => partitionOf(key, 8) === 3)
    const { relay, transport, commit, clock } = createBench()
    transport.answer = never
    await commit(keys.flatMap((key) => entriesOf(key, 2)))
    await relay.start()
    await clock.advance(100)
    expect(transport.sent).toEqual(keys.map((key) => `${key}-1`))
  })
})
