import assert from 'node:assert/strict'
import type { Lease, ParkedKey } from '../ports.js'
import { entriesOf, entryOf, idsOf, refsOf } from './storeBench.js'
import type { StoreBench } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** Parks key `a`, which has three entries; key `b` has one. */
async function parked(bench: StoreBench<unknown>): Promise<{ key: ParkedKey; leases: readonly Lease[] }> {
  await bench.commit([...entriesOf('a', 3), ...entriesOf('b', 1)])
  const { leases } = await bench.leaseAll()
  const read = await bench.read(leases)
  const [first] = refsOf(
    read.filter(({ message }) => message.id === 'a-1'),
    leases,
  )
  assert.ok(first !== undefined)
  const failure = { code: 'POSTHORN_PUBLISH_FAILED', message: 'no' }
  await bench.relays.fail('one', first, failure, { maxAttempts: 1, retryAfterMs: 0 })
  const [key] = await bench.relays.parkedKeys()
  assert.ok(key !== undefined)
  return { key, leases }
}

async function ofKeyA(bench: StoreBench<unknown>, leases: readonly Lease[]): Promise<string[]> {
  return idsOf(await bench.read(leases)).filter((id) => id.startsWith('a-'))
}

/** An operator decides what becomes of a parked key. */
export const operatorDecisions: StorePromise = storePromise('operatorDecisions', [
  {
    title: 'retry brings the whole key back at once, attempts counted from zero',
    async run(bench) {
      const { key, leases } = await parked(bench)
      assert.equal(await bench.relays.decide(key, 'retry'), 0)
      assert.deepEqual(await ofKeyA(bench, leases), ['a-1', 'a-2', 'a-3'])
      assert.ok((await bench.read(leases)).every(({ attempts }) => attempts === 0))
      assert.deepEqual(await bench.relays.parkedKeys(), [])
    },
  },
  {
    title: 'skip deletes the entry that failed, and the next of the key comes',
    async run(bench) {
      const { key, leases } = await parked(bench)
      assert.equal(await bench.relays.decide(key, 'skip'), 1)
      assert.deepEqual(await ofKeyA(bench, leases), ['a-2', 'a-3'])
      assert.deepEqual(await bench.relays.parkedKeys(), [])
    },
  },
  {
    title: 'discard deletes every entry of the key, and no other',
    async run(bench) {
      const { key, leases } = await parked(bench)
      assert.equal(await bench.relays.decide(key, 'discard'), 3)
      assert.deepEqual(idsOf(await bench.read(leases)), ['b-1'])
      await bench.commit(entriesOf('a', 1))
      assert.deepEqual(await ofKeyA(bench, leases), ['a-1'])
    },
  },
  {
    title: 'discard deletes what the key has for later too, and no other’s',
    async run(bench) {
      const { key, leases } = await parked(bench)
      const notBefore = new Date(Date.now() + 3_600_000)
      await bench.commit([entryOf('a', 4, { notBefore }), entryOf('b', 2, { notBefore })])
      assert.equal((await bench.relays.stats()).scheduled, 2)
      assert.equal(await bench.relays.decide(key, 'discard'), 4)
      assert.equal((await bench.relays.stats()).scheduled, 1)
      assert.deepEqual(idsOf(await bench.read(leases)), ['b-1'])
    },
  },
  {
    title: 'a decision about a key that is not parked changes nothing',
    async run(bench) {
      const { key, leases } = await parked(bench)
      const b = (await bench.read(leases)).find(({ message }) => message.id === 'b-1')
      for (const decision of ['retry', 'skip', 'discard'] as const) {
        assert.equal(await bench.relays.decide({ partition: b?.partition ?? 0, key: 'b' }, decision), false)
        assert.equal(await bench.relays.decide({ partition: 0, key: 'nobody' }, decision), false)
      }
      assert.deepEqual(idsOf(await bench.read(leases)), ['b-1'])
      assert.equal(await bench.relays.decide(key, 'retry'), 0)
      assert.equal(await bench.relays.decide(key, 'retry'), false)
    },
  },
])
