import assert from 'node:assert/strict'
import { entryOf, idsOf, longLeaseMs } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** A partition belongs to one relay at a time, by the clock of the database. */
export const leases: StorePromise = storePromise('leases', [
  {
    title: 'the first relay gets every partition, and keeps it with its fence by renewing',
    async run(bench) {
      const { partitionCount } = await bench.relays.prepare()
      const first = await bench.relays.renew('one', longLeaseMs)
      assert.equal(new Set(first.leases.map(({ partition }) => partition)).size, partitionCount)
      assert.deepEqual([first.share, first.relays, first.nextDueMs], [partitionCount, 1, undefined])
      const again = await bench.relays.renew('one', longLeaseMs)
      const byPartition = (a: { partition: number }, b: { partition: number }): number => a.partition - b.partition
      assert.deepEqual([...again.leases].sort(byPartition), [...first.leases].sort(byPartition))
    },
  },
  {
    title: 'renewing takes nothing from a relay that lives',
    async run(bench) {
      const { partitionCount } = await bench.relays.prepare()
      await bench.leaseAll('one')
      const two = await bench.relays.renew('two', longLeaseMs)
      assert.deepEqual([two.leases, two.relays], [[], 2])
      const one = await bench.relays.renew('one', longLeaseMs)
      assert.equal(one.leases.length, partitionCount)
    },
  },
  {
    title: 'leases that ran out are taken over with higher fences',
    async run(bench) {
      const { partitionCount } = await bench.relays.prepare()
      const { leaseMs } = bench.timing
      const started = performance.now()
      const dead = await bench.relays.renew('dead', leaseMs)
      const alive = await bench.eventually(
        () => bench.relays.renew('alive', longLeaseMs),
        (view) => view.leases.length === partitionCount,
      )
      assert.ok(performance.now() - started >= leaseMs * 0.9, 'they were taken before they ran out')
      for (const { partition, fence } of alive.leases) {
        const before = dead.leases.find((lease) => lease.partition === partition)
        assert.ok(fence > (before?.fence ?? 0n), `partition ${partition}: fence ${fence} after ${before?.fence}`)
      }
    },
  },
  {
    title: 'a relay’s own leases that ran out come back with higher fences',
    async run(bench) {
      const [first] = (await bench.relays.renew('one', 1)).leases
      assert.ok(first !== undefined)
      await bench.eventually(
        () => bench.read([first]).then(() => bench.relays.renew('one', 1)),
        (view) => view.leases.some((lease) => lease.partition === first.partition && lease.fence > first.fence),
      )
    },
  },
  {
    title: 'partitions that were given back are free at once',
    async run(bench) {
      const one = await bench.leaseAll('one')
      await bench.relays.renew('two', longLeaseMs)
      const given = one.leases.slice(0, 2)
      await bench.relays.giveBack('one', given)
      const two = await bench.relays.renew('two', longLeaseMs)
      const partitions = (list: readonly { partition: number }[]): number[] =>
        list.map(({ partition }) => partition).sort((a, b) => a - b)
      assert.deepEqual(partitions(two.leases), partitions(given))
      for (const { partition, fence } of two.leases) {
        assert.ok(fence > (given.find((lease) => lease.partition === partition)?.fence ?? 0n))
      }
    },
  },
  {
    title: 'a relay that leaves gives everything back, and is not counted any more',
    async run(bench) {
      const { partitionCount } = await bench.relays.prepare()
      await bench.leaseAll('one')
      await bench.commit([entryOf('a', 1)])
      await bench.relays.leave('one')
      const two = await bench.relays.renew('two', longLeaseMs)
      assert.deepEqual([two.leases.length, two.relays], [partitionCount, 1])
      assert.deepEqual(idsOf(await bench.read(two.leases, { relay: 'two' })), ['a-1'])
    },
  },
])
