import assert from 'node:assert/strict'
import { entriesOf, entryOf, idsOf, refsOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

const failure = { code: 'POSTHORN_PUBLISH_TOO_LARGE', message: 'The message of 2 MB is too large – “é”' }
const atOnce = { maxAttempts: 1, retryAfterMs: 0 }

/** A key whose attempts are used up waits for an operator, and holds up nobody else. */
export const parking: StorePromise = storePromise('parking', [
  {
    title: 'a key is parked with its last attempt, skipped while others flow, and told with its facts',
    async run(bench) {
      const [bad = '', good = ''] = await bench.keysOfOnePartition(2)
      await bench.commit([...entriesOf(bad, 2), entryOf(good, 1)])
      const { leases } = await bench.leaseAll()
      const [entry] = await bench.read(leases, { maxCount: 1 })
      const [first] = refsOf(entry === undefined ? [] : [entry], leases)
      assert.ok(entry !== undefined && first !== undefined)
      await bench.relays.fail('one', first, failure, { maxAttempts: 2, retryAfterMs: 0 })
      const verdict = await bench.relays.fail('one', first, failure, { maxAttempts: 2, retryAfterMs: 0 })
      assert.deepEqual(verdict, { attempts: 2, parked: true })
      assert.deepEqual(idsOf(await bench.read(leases)), [`${good}-1`])
      const [{ parkedAt, ...told } = { parkedAt: undefined }, more] = await bench.relays.parkedKeys()
      assert.ok(parkedAt instanceof Date && more === undefined)
      assert.deepEqual(told, {
        partition: entry.partition,
        key: bad,
        entryId: entry.id,
        messageId: `${bad}-1`,
        destination: 'conformance.orders',
        type: 'com.example.noted.v1',
        attempts: 2,
        failure,
      })
      assert.equal((await bench.relays.stats()).parkedKeys, 1)
    },
  },
  {
    title: 'what is committed to a parked key waits behind it',
    async run(bench) {
      await bench.commit([entryOf('a', 1)])
      const { leases } = await bench.leaseAll()
      const [first] = refsOf(await bench.read(leases), leases)
      assert.ok(first !== undefined)
      await bench.relays.fail('one', first, failure, atOnce)
      await bench.commit([entryOf('a', 2)])
      assert.deepEqual(await bench.read(leases), [])
    },
  },
  {
    title: 'a parked key stays parked for the next owner of its partition',
    async run(bench) {
      await bench.commit([entryOf('a', 1)])
      const { leases } = await bench.leaseAll()
      const [first] = refsOf(await bench.read(leases), leases)
      assert.ok(first !== undefined)
      await bench.relays.fail('one', first, failure, atOnce)
      await bench.relays.leave('one')
      const next = await bench.leaseAll('two')
      assert.deepEqual(await bench.read(next.leases, { relay: 'two' }), [])
    },
  },
  {
    title: 'a message without a key is parked by its id, and the list of parked keys is as long as asked',
    async run(bench) {
      const keyless = ['x', 'y', 'z'].map((name) => {
        const { partitionKey: _, ...message } = entryOf(name, 1).message
        return { ...entryOf(name, 1), message }
      })
      await bench.commit(keyless)
      const { leases } = await bench.leaseAll()
      for (const ref of refsOf(await bench.read(leases), leases)) await bench.relays.fail('one', ref, failure, atOnce)
      const keys = (await bench.relays.parkedKeys()).map(({ key }) => key)
      assert.deepEqual(keys.sort(), ['x-1', 'y-1', 'z-1'])
      assert.equal((await bench.relays.parkedKeys(2)).length, 2)
    },
  },
])
