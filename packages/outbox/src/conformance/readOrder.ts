import assert from 'node:assert/strict'
import { partitionOf } from '../partitionOf.js'
import { byPartition, entriesOf, entryOf, idsOf, refsOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** Entries of one key share a partition, and come in the order in which they were inserted. */
export const readOrder: StorePromise = storePromise('readOrder', [
  {
    title: 'entries of one key come in the order of inserting, whatever comes between',
    async run(bench) {
      for (let n = 1; n <= 12; n += 1) await bench.commit(['a', 'b', 'c'].map((key) => entryOf(key, n)))
      const read = await bench.readAll()
      for (const key of ['a', 'b', 'c']) {
        const own = read.filter(({ message }) => message.partitionKey === key)
        assert.deepEqual(
          idsOf(own),
          entriesOf(key, 12).map(({ message }) => message.id),
        )
        assert.equal(new Set(own.map(({ partition }) => partition)).size, 1)
      }
    },
  },
  {
    title: 'within a partition ids rise in the order of reading',
    async run(bench) {
      await bench.commit(Array.from({ length: 200 }, (_, n) => entryOf(`key${n % 40}`, n)))
      for (const entries of byPartition(await bench.readAll())) {
        const rising = entries.every(({ id }, index) => index === 0 || id > (entries[index - 1]?.id ?? 0n))
        assert.ok(rising, 'an entry with a lower id came later')
      }
    },
  },
  {
    title: 'an entry stands in the partition of its key that every writer computes',
    async run(bench) {
      const { partitionCount } = await bench.relays.prepare()
      await bench.commit(['a', 'é', '世界', 'order-1', 'order-2'].map((key) => entryOf(key, 1)))
      for (const { message, partition } of await bench.readAll()) {
        assert.equal(partition, partitionOf(message.partitionKey ?? '', partitionCount), message.partitionKey)
      }
    },
  },
  {
    title: 'messages without a key are spread over partitions',
    async run(bench) {
      const keyless = Array.from({ length: 100 }, (_, n) => {
        const { partitionKey: _key, ...message } = entryOf('k', n).message
        return { ...entryOf('k', n), message }
      })
      await bench.commit(keyless)
      assert.ok(new Set((await bench.readAll()).map(({ partition }) => partition)).size > 1)
    },
  },
  {
    title: 'exactly the removed entries are gone',
    async run(bench) {
      await bench.commit(entriesOf('a', 5))
      const { leases } = await bench.leaseAll()
      const refs = refsOf(await bench.read(leases), leases)
      const removed = refs.filter((_, index) => index % 2 === 1)
      assert.equal(await bench.relays.remove('one', removed), 2)
      assert.deepEqual(idsOf(await bench.read(leases)), ['a-1', 'a-3', 'a-5'])
      assert.equal(await bench.relays.remove('one', removed), 0)
      assert.equal(await bench.relays.remove('one', []), 0)
      assert.deepEqual(idsOf(await bench.read(leases)), ['a-1', 'a-3', 'a-5'])
    },
  },
])
