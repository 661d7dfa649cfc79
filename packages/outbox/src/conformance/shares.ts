import assert from 'node:assert/strict'
import type { Lease } from '../ports.js'
import { longLeaseMs } from './storeBench.js'
import type { StoreBench } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** One round of every relay: it renews, and gives back at once what is above its share. */
async function round(bench: StoreBench<unknown>, relays: readonly string[], leaseMs: number): Promise<Lease[][]> {
  const owned: Lease[][] = []
  for (const relay of relays) {
    const { leases, share } = await bench.relays.renew(relay, leaseMs)
    await bench.relays.giveBack(relay, leases.slice(share))
    owned.push(leases.slice(0, share))
  }
  return owned
}

/** Rounds until every partition has one owner and nobody has much more than the others. */
async function balanced(bench: StoreBench<unknown>, relays: readonly string[], leaseMs: number): Promise<void> {
  const { partitionCount } = await bench.relays.prepare()
  const owned = await bench.eventually(
    () => round(bench, relays, leaseMs),
    (all) => {
      const isEven = all.every(({ length }) => length <= Math.ceil(partitionCount / relays.length))
      return isEven && all.flat().length === partitionCount
    },
  )
  const partitions = owned.flat().map(({ partition }) => partition)
  assert.equal(new Set(partitions).size, partitionCount, 'a partition has two owners')
}

/** Relays that live have about the same. */
export const shares: StorePromise = storePromise('shares', [
  {
    title: 'partitions are shared by one, two and three relays, and by two again when one leaves',
    async run(bench) {
      await balanced(bench, ['one'], longLeaseMs)
      await balanced(bench, ['one', 'two'], longLeaseMs)
      await balanced(bench, ['one', 'two', 'three'], longLeaseMs)
      await bench.relays.leave('two')
      await balanced(bench, ['one', 'three'], longLeaseMs)
      await bench.relays.leave('one')
      await balanced(bench, ['three'], longLeaseMs)
    },
  },
  {
    title: 'the partitions of a relay that dies are shared by the others once its leases ran out',
    async run(bench) {
      await balanced(bench, ['one', 'two', 'dies'], longLeaseMs)
      // Its last renewal before it dies.
      await bench.relays.renew('dies', bench.timing.leaseMs)
      await balanced(bench, ['one', 'two'], longLeaseMs)
    },
  },
  {
    title: 'every relay is told how many live',
    async run(bench) {
      await bench.relays.renew('one', longLeaseMs)
      await bench.relays.renew('two', longLeaseMs)
      assert.equal((await bench.relays.renew('three', longLeaseMs)).relays, 3)
      await bench.relays.leave('two')
      assert.equal((await bench.relays.renew('one', longLeaseMs)).relays, 2)
    },
  },
])
