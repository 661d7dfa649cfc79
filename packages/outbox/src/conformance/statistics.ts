import assert from 'node:assert/strict'
import { entriesOf, entryOf, refsOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** Figures for people and alerts; and opening and closing. */
export const statistics: StorePromise = storePromise('statistics', [
  {
    title: 'an empty outbox says so',
    async run(bench) {
      const { depth, oldestMs, parkedKeys, scheduled } = await bench.relays.stats()
      assert.deepEqual([depth, oldestMs, parkedKeys, scheduled], [0, 0, 0, 0])
    },
  },
  {
    title: 'entries that wait are counted, and the oldest grows older',
    async run(bench) {
      await bench.commit([...entriesOf('a', 3), entryOf('b', 1, { notBefore: new Date(Date.now() + 3_600_000) })])
      const { depth, scheduled } = await bench.relays.stats()
      assert.deepEqual([depth, scheduled], [4, 1])
      await bench.eventually(
        () => bench.relays.stats(),
        ({ oldestMs }) => oldestMs >= 50,
      )
      const { leases } = await bench.leaseAll()
      await bench.relays.remove('one', refsOf(await bench.read(leases), leases))
      const after = await bench.relays.stats()
      assert.deepEqual([after.depth, after.oldestMs], [1, 0])
    },
  },
  {
    title: 'preparing again changes nothing',
    async run(bench) {
      const first = await bench.relays.prepare()
      assert.ok(first.partitionCount >= 4, 'the suite needs four partitions')
      await bench.commit([entryOf('a', 1)])
      assert.deepEqual(await bench.relays.prepare(), first)
      assert.equal((await bench.relays.stats()).depth, 1)
    },
  },
  {
    title: 'closing again changes nothing',
    async run(bench) {
      await bench.relays.close()
      await bench.relays.close()
    },
  },
])
