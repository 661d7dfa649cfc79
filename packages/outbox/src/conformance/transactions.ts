import assert from 'node:assert/strict'
import { entriesOf, entryOf, idsOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** What is rolled back was never there; what is committed is there, and stays until it is removed. */
export const transactions: StorePromise = storePromise('transactions', [
  {
    title: 'committed entries are read, and again until they are removed',
    async run(bench) {
      await bench.commit(entriesOf('a', 3))
      assert.deepEqual(idsOf(await bench.readAll()), ['a-1', 'a-2', 'a-3'])
      assert.deepEqual(idsOf(await bench.readAll()), ['a-1', 'a-2', 'a-3'])
    },
  },
  {
    title: 'entries of a transaction that was rolled back are never seen',
    async run(bench) {
      const open = await bench.begin()
      await bench.writer.insert(open.tx, entriesOf('ghost', 3))
      await open.rollback()
      await bench.commit([entryOf('real', 1)])
      assert.deepEqual(idsOf(await bench.readAll()), ['real-1'])
      assert.equal((await bench.relays.stats()).depth, 1)
    },
  },
  {
    title: 'a transaction whose work rejects is rolled back, and rejects with that very error',
    async run(bench) {
      const failure = new Error('of the business')
      const work = bench.inbox.transaction(async (tx) => {
        await bench.writer.insert(tx, entriesOf('ghost', 2))
        throw failure
      })
      await assert.rejects(work, (error) => error === failure)
      assert.deepEqual(await bench.readAll(), [])
    },
  },
  {
    title: 'a transaction gives what its work gave',
    async run(bench) {
      assert.equal(await bench.inbox.transaction(() => Promise.resolve('result')), 'result')
    },
  },
  {
    title: 'entries of an open transaction are invisible, and come with its commit',
    needs: 'concurrentTransactions',
    async run(bench) {
      const open = await bench.begin()
      await bench.writer.insert(open.tx, entriesOf('a', 2))
      assert.deepEqual(await bench.readAll(), [])
      assert.equal((await bench.relays.stats()).depth, 0)
      await open.commit()
      assert.deepEqual(idsOf(await bench.readAll()), ['a-1', 'a-2'])
    },
  },
  {
    title: 'several inserts of one transaction come together and in their order',
    async run(bench) {
      const open = await bench.begin()
      for (const n of [1, 2, 3]) await bench.writer.insert(open.tx, [entryOf('a', n)])
      await bench.writer.insert(open.tx, [])
      await open.commit()
      assert.deepEqual(idsOf(await bench.readAll()), ['a-1', 'a-2', 'a-3'])
    },
  },
])
