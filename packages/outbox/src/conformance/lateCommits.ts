import assert from 'node:assert/strict'
import { entryOf, idsOf, refsOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** Ids are given before the commit: whoever reads on behind the highest that it has seen loses those that come later. */
export const lateCommits: StorePromise = storePromise('lateCommits', [
  {
    title: 'an entry whose transaction takes longer is read, though a higher id was read and removed before',
    needs: 'concurrentTransactions',
    async run(bench) {
      const [slowKey, quickKey] = await bench.keysOfOnePartition(2)
      const { leases } = await bench.leaseAll()
      const slow = await bench.begin()
      await bench.writer.insert(slow.tx, [entryOf(slowKey ?? '', 1)])
      const quick = await bench.begin()
      await bench.writer.insert(quick.tx, [entryOf(quickKey ?? '', 1)])
      await quick.commit()
      const first = await bench.read(leases)
      assert.deepEqual(idsOf(first), [`${quickKey}-1`])
      await bench.relays.remove('one', refsOf(first, leases))
      await slow.commit()
      const late = await bench.read(leases)
      assert.deepEqual(idsOf(late), [`${slowKey}-1`])
      assert.ok(
        (late[0]?.id ?? 0n) < (first[0]?.id ?? 0n),
        'the ids were not given at the insert: the case proves nothing',
      )
    },
  },
  {
    title: 'an entry that is committed late comes before those of higher ids that are still there',
    needs: 'concurrentTransactions',
    async run(bench) {
      const { leases } = await bench.leaseAll()
      const slow = await bench.begin()
      await bench.writer.insert(slow.tx, [entryOf('a', 1)])
      await bench.commit([entryOf('a', 2)])
      assert.deepEqual(idsOf(await bench.read(leases)), ['a-2'])
      await slow.commit()
      assert.deepEqual(idsOf(await bench.read(leases)), ['a-1', 'a-2'])
    },
  },
  {
    title: 'an open transaction holds up nobody',
    needs: 'concurrentTransactions',
    async run(bench) {
      const { leases } = await bench.leaseAll()
      const open = await bench.begin()
      await bench.writer.insert(open.tx, [entryOf('slow', 1)])
      for (let n = 1; n <= 3; n += 1) {
        await bench.commit([entryOf('a', n)])
        const read = await bench.read(leases)
        assert.deepEqual(idsOf(read), [`a-${n}`])
        assert.equal(await bench.relays.remove('one', refsOf(read, leases)), 1)
      }
      await open.rollback()
    },
  },
])
