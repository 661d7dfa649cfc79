import assert from 'node:assert/strict'
import { entryOf, idsOf, longLeaseMs } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

const inAnHour = (): Date => new Date(Date.now() + 3_600_000)

/** A message with a time to come is not handed over before it. */
export const schedule: StorePromise = storePromise('schedule', [
  {
    title: 'an entry is not read before its time, and then after those that are there',
    async run(bench) {
      const notBefore = new Date(Date.now() + 500)
      await bench.commit([entryOf('a', 1, { notBefore }), entryOf('a', 2)])
      const { leases } = await bench.leaseAll()
      assert.deepEqual(idsOf(await bench.read(leases)), ['a-2'])
      const isReleased = async (): Promise<boolean> => {
        const count = await bench.relays.releaseDue(leases, 100)
        assert.ok(count === 0 || Date.now() >= notBefore.getTime(), 'it was released before its time')
        return count === 1
      }
      await bench.eventually(isReleased, (released) => released)
      assert.deepEqual(idsOf(await bench.read(leases)), ['a-2', 'a-1'])
      assert.equal(await bench.relays.releaseDue(leases, 100), 0)
    },
  },
  {
    title: 'renewing tells when the next entry of the relay’s partitions is due',
    async run(bench) {
      assert.equal((await bench.leaseAll()).nextDueMs, undefined)
      await bench.commit([entryOf('a', 1, { notBefore: inAnHour() })])
      const { nextDueMs } = await bench.relays.renew('one', longLeaseMs)
      assert.ok(nextDueMs !== undefined && nextDueMs > 3_500_000 && nextDueMs <= 3_600_000, `${nextDueMs} ms`)
    },
  },
  {
    title: 'an entry whose time has passed is due now, and as many are released as asked',
    async run(bench) {
      const notBefore = new Date(Date.now() - 1_000)
      await bench.commit([1, 2, 3].map((n) => entryOf('a', n, { notBefore })))
      const { leases, nextDueMs } = await bench.leaseAll()
      if (nextDueMs !== undefined) assert.equal(nextDueMs, 0)
      const count = await bench.relays.releaseDue(leases, 2)
      assert.ok(count <= 2, `${count} were released`)
      await bench.relays.releaseDue(leases, 10)
      assert.deepEqual(idsOf(await bench.read(leases)).sort(), ['a-1', 'a-2', 'a-3'])
    },
  },
  {
    title: 'rolled back with its transaction',
    async run(bench) {
      const open = await bench.begin()
      await bench.writer.insert(open.tx, [entryOf('ghost', 1, { notBefore: inAnHour() })])
      await open.rollback()
      assert.equal((await bench.leaseAll()).nextDueMs, undefined)
      const { depth, oldestMs, parkedKeys, scheduled } = await bench.relays.stats()
      assert.deepEqual([depth, oldestMs, parkedKeys, scheduled], [0, 0, 0, 0])
    },
  },
])
