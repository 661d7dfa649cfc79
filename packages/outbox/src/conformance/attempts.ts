import assert from 'node:assert/strict'
import { entriesOf, entryOf, idsOf, refsOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

const failure = { code: 'POSTHORN_PUBLISH_TOO_LARGE', message: 'too large' }

/** A failure is counted, and its key waits; others go on. */
export const attempts: StorePromise = storePromise('attempts', [
  {
    title: 'a key whose entry failed waits, while others of its partition flow',
    async run(bench) {
      const [bad = '', good = ''] = await bench.keysOfOnePartition(2)
      await bench.commit([...entriesOf(bad, 3), ...entriesOf(good, 2)])
      const { leases } = await bench.leaseAll()
      const [first] = refsOf(await bench.read(leases, { maxCount: 1 }), leases)
      assert.ok(first !== undefined)
      const policy = { maxAttempts: 5, retryAfterMs: 600_000 }
      assert.deepEqual(await bench.relays.fail('one', first, failure, policy), { attempts: 1, parked: false })
      assert.deepEqual(idsOf(await bench.read(leases)), [`${good}-1`, `${good}-2`])
      assert.deepEqual(await bench.relays.parkedKeys(), [])
    },
  },
  {
    title: 'after the wait the whole key comes again, in order and with the attempts counted',
    async run(bench) {
      await bench.commit(entriesOf('a', 3))
      const { leases } = await bench.leaseAll()
      for (const attempt of [1, 2]) {
        const read = await bench.eventually(
          () => bench.read(leases),
          ({ length }) => length > 0,
        )
        assert.deepEqual(idsOf(read), ['a-1', 'a-2', 'a-3'])
        assert.deepEqual(
          read.map((entry) => entry.attempts),
          [attempt - 1, 0, 0],
        )
        const [first] = refsOf(read, leases)
        assert.ok(first !== undefined)
        const verdict = await bench.relays.fail('one', first, failure, { maxAttempts: 5, retryAfterMs: 20 })
        assert.deepEqual(verdict, { attempts: attempt, parked: false })
      }
    },
  },
  {
    title: 'of two entries of a key that fail in turns the first is counted, and parks the key',
    async run(bench) {
      await bench.commit(entriesOf('a', 3))
      const { leases } = await bench.leaseAll()
      const [first, second] = refsOf(await bench.read(leases), leases)
      assert.ok(first !== undefined && second !== undefined)
      const fail = (ref: typeof first): Promise<unknown> =>
        bench.relays.fail('one', ref, failure, { maxAttempts: 3, retryAfterMs: 0 })
      assert.deepEqual(await fail(second), { attempts: 1, parked: false })
      assert.deepEqual(await fail(first), { attempts: 1, parked: false })
      assert.deepEqual(await fail(second), { attempts: 0, parked: false })
      assert.deepEqual(await fail(first), { attempts: 2, parked: false })
      assert.deepEqual(await fail(second), { attempts: 0, parked: false })
      const read = await bench.eventually(
        () => bench.read(leases),
        ({ length }) => length > 0,
      )
      assert.deepEqual(
        read.map((entry) => entry.attempts),
        [2, 0, 0],
      )
      assert.deepEqual(await fail(first), { attempts: 3, parked: true })
      assert.deepEqual(await fail(second), { attempts: 0, parked: true })
      const parked = await bench.relays.parkedKeys()
      assert.deepEqual(
        parked.map(({ messageId, attempts: count }) => [messageId, count]),
        [['a-1', 3]],
      )
      assert.deepEqual(await bench.read(leases), [])
    },
  },
  {
    title: 'a parked key stays parked when an entry before the one that failed fails too',
    async run(bench) {
      await bench.commit(entriesOf('a', 2))
      const { leases } = await bench.leaseAll()
      const [first, second] = refsOf(await bench.read(leases), leases)
      assert.ok(first !== undefined && second !== undefined)
      await bench.relays.fail('one', second, failure, { maxAttempts: 1, retryAfterMs: 0 })
      const verdict = await bench.relays.fail('one', first, failure, { maxAttempts: 5, retryAfterMs: 0 })
      assert.deepEqual(verdict, { attempts: 0, parked: true })
      const ids = (await bench.relays.parkedKeys()).map(({ messageId }) => messageId)
      assert.deepEqual(ids, ['a-2'])
    },
  },
  {
    title: 'a failing key does not come before its time',
    async run(bench) {
      await bench.commit([entryOf('a', 1)])
      const { leases } = await bench.leaseAll()
      const [first] = refsOf(await bench.read(leases), leases)
      assert.ok(first !== undefined)
      const failedAt = Date.now()
      await bench.relays.fail('one', first, failure, { maxAttempts: 5, retryAfterMs: 200 })
      await bench.eventually(
        () => bench.read(leases),
        ({ length }) => length === 1,
      )
      assert.ok(Date.now() - failedAt >= 195, `it came after ${Date.now() - failedAt} ms`)
    },
  },
])
