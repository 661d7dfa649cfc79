import assert from 'node:assert/strict'
import type { EntryRef, Lease } from '../ports.js'
import { entriesOf, entryOf, idsOf, longLeaseMs, refsOf } from './storeBench.js'
import type { StoreBench } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

const failure = { code: 'POSTHORN_PUBLISH_FAILED', message: 'no' }

interface Lost {
  readonly refs: readonly EntryRef[]
  readonly old: readonly Lease[]
  readonly current: readonly Lease[]
}

/** Relay `one` has read three entries of key `a` when relay `two` has all partitions. */
async function takenOver(bench: StoreBench<unknown>): Promise<Lost> {
  const { partitionCount } = await bench.relays.prepare()
  const { leases: old } = await bench.relays.renew('one', bench.timing.leaseMs)
  await bench.commit(entriesOf('a', 3))
  const refs = refsOf(await bench.read((await bench.relays.renew('one', bench.timing.leaseMs)).leases), old)
  const { leases: current } = await bench.eventually(
    () => bench.relays.renew('two', longLeaseMs),
    (view) => view.leases.length === partitionCount,
  )
  assert.equal(refs.length, 3)
  return { refs, old, current }
}

/** A relay that lost a partition changes nothing there, however late it wakes up. */
export const fences: StorePromise = storePromise('fences', [
  {
    title: 'removing without the lease removes nothing',
    async run(bench) {
      const { refs, current } = await takenOver(bench)
      assert.equal(await bench.relays.remove('one', refs), 0)
      assert.deepEqual(idsOf(await bench.read(current, { relay: 'two' })), ['a-1', 'a-2', 'a-3'])
    },
  },
  {
    title: 'the fence of the new owner in the hands of the old one removes nothing, nor the other way round',
    async run(bench) {
      const { refs, current } = await takenOver(bench)
      const fenceOf = (ref: EntryRef): bigint =>
        current.find(({ partition }) => partition === ref.partition)?.fence ?? 0n
      const forged = refs.map((ref) => ({ ...ref, fence: fenceOf(ref) }))
      assert.equal(await bench.relays.remove('one', forged), 0)
      assert.equal(await bench.relays.remove('two', refs), 0)
      assert.equal(await bench.relays.remove('two', forged), 3)
    },
  },
  {
    title: 'a failure without the lease is not counted, and parks nothing',
    async run(bench) {
      const { refs, current } = await takenOver(bench)
      const [first] = refs
      assert.ok(first !== undefined)
      const verdict = await bench.relays.fail('one', first, failure, { maxAttempts: 1, retryAfterMs: 600_000 })
      assert.equal(verdict.parked, false)
      const read = await bench.read(current, { relay: 'two' })
      assert.deepEqual([idsOf(read), read[0]?.attempts], [['a-1', 'a-2', 'a-3'], 0])
      assert.deepEqual(await bench.relays.parkedKeys(), [])
    },
  },
  {
    title: 'reading without the lease gives nothing',
    async run(bench) {
      const { old, current } = await takenOver(bench)
      assert.deepEqual(await bench.read(old), [])
      assert.deepEqual(await bench.read(current), [])
      assert.deepEqual(await bench.read(old, { relay: 'two' }), [])
    },
  },
  {
    title: 'giving back what somebody else owns takes nothing from them',
    async run(bench) {
      const { old, current } = await takenOver(bench)
      await bench.relays.giveBack('one', old)
      await bench.relays.giveBack('one', current)
      await bench.relays.leave('one')
      assert.equal((await bench.read(current, { relay: 'two' })).length, 3)
      const two = await bench.relays.renew('two', longLeaseMs)
      assert.equal(two.leases.length, current.length)
    },
  },
  {
    title: 'after giving back nothing can be removed or released under the old fence',
    async run(bench) {
      const { leases } = await bench.leaseAll('one')
      await bench.commit([entryOf('a', 1), entryOf('b', 1, { notBefore: new Date(Date.now() - 10_000) })])
      const refs = refsOf(await bench.read(leases), leases)
      await bench.relays.giveBack('one', leases)
      assert.equal(await bench.relays.remove('one', refs), 0)
      assert.deepEqual(await bench.read(leases), [])
      await bench.relays.leave('one')
      await bench.leaseAll('two')
      assert.equal(await bench.relays.releaseDue(leases, 10), 0)
    },
  },
])
