import assert from 'node:assert/strict'
import { byPartition, entriesOf, entryOf, idsOf, refsOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** A read gives what was asked for, and no more. */
export const readLimits: StorePromise = storePromise('readLimits', [
  {
    title: 'a read stops at the count, and gives the first',
    async run(bench) {
      await bench.commit(entriesOf('a', 9))
      const { leases } = await bench.leaseAll()
      assert.deepEqual(idsOf(await bench.read(leases, { maxCount: 3 })), ['a-1', 'a-2', 'a-3'])
    },
  },
  {
    title: 'a read takes so many of each partition at most',
    async run(bench) {
      await bench.commit(Array.from({ length: 300 }, (_, n) => entryOf(`key${n % 30}`, n)))
      const { leases } = await bench.leaseAll()
      const read = await bench.read(leases, { maxCountPerPartition: 2 })
      const sizes = byPartition(read).map(({ length }) => length)
      assert.ok(sizes.length > 1)
      assert.ok(Math.max(...sizes) <= 2, `sizes ${sizes.join()}`)
    },
  },
  {
    title: 'a read stops at about the bytes, and gives one entry whatever its size',
    async run(bench) {
      const body = new Uint8Array(1_000)
      await bench.commit(Array.from({ length: 20 }, (_, n) => entryOf('a', n, { message: { body } })))
      const { leases } = await bench.leaseAll()
      const some = await bench.read(leases, { maxBytes: 5_500 })
      assert.ok(some.length >= 1 && some.length <= 10, `${some.length} entries for 5,500 bytes`)
      const [first] = await bench.read(leases, { maxBytes: 10 })
      assert.equal(first?.message.id, 'a-0')
    },
  },
  {
    title: 'entries that were read before are left out',
    async run(bench) {
      await bench.commit(entriesOf('a', 5))
      const { leases } = await bench.leaseAll()
      const except = refsOf(await bench.read(leases, { maxCount: 2 }), leases)
      assert.deepEqual(idsOf(await bench.read(leases, { except })), ['a-3', 'a-4', 'a-5'])
      const ofBefore = except.map((ref) => ({ ...ref, fence: ref.fence - 1n }))
      assert.deepEqual(idsOf(await bench.read(leases, { except: ofBefore })), ['a-3', 'a-4', 'a-5'])
    },
  },
  {
    title: 'keys of which nothing is wanted are left out, and those behind them come',
    async run(bench) {
      const [slow = '', other = ''] = await bench.keysOfOnePartition(2)
      await bench.commit([...entriesOf(slow, 20), entryOf(other, 1)])
      const { leases } = await bench.leaseAll()
      const [one] = await bench.read(leases, { maxCount: 1 })
      const exceptKeys = [{ partition: one?.partition ?? -1, key: slow }]
      assert.deepEqual(idsOf(await bench.read(leases, { maxCount: 5, exceptKeys })), [`${other}-1`])
    },
  },
  {
    title: 'a message without a key is left out by its id',
    async run(bench) {
      const { partitionKey: _, ...message } = entryOf('a', 1).message
      await bench.commit([{ ...entryOf('a', 1), message }])
      const { leases } = await bench.leaseAll()
      const [one] = await bench.read(leases)
      const exceptKeys = [{ partition: one?.partition ?? -1, key: 'a-1' }]
      assert.deepEqual(await bench.read(leases, { exceptKeys }), [])
    },
  },
  {
    title: 'only partitions that are asked for are read',
    async run(bench) {
      await bench.commit(Array.from({ length: 60 }, (_, n) => entryOf(`key${n}`, n)))
      const { leases } = await bench.leaseAll()
      const wanted = leases.slice(0, 2)
      const read = await bench.read(wanted)
      assert.ok(read.every(({ partition }) => wanted.some((lease) => lease.partition === partition)))
      assert.deepEqual(await bench.read([]), [])
    },
  },
])
