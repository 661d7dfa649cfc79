import assert from 'node:assert/strict'
import { entryOf, inboxKey } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

const noTransaction = { code: 'POSTHORN_NO_TRANSACTION' }
const invalid = { code: 'POSTHORN_INVALID_ENVELOPE' }

/** What would be half a transaction is refused, and nothing is written. */
export const refusedHandles: StorePromise = storePromise('refusedHandles', [
  {
    title: 'a handle outside a transaction is refused by the outbox and by the inbox',
    async run(bench) {
      assert.ok(bench.outside.length > 0, 'the set-up names no handle outside a transaction')
      for (const { name, handle } of bench.outside) {
        await assert.rejects(bench.writer.insert(handle, [entryOf('a', 1)]), noTransaction, name)
        await assert.rejects(bench.inbox.remember(handle, [inboxKey('1')]), noTransaction, name)
      }
      assert.deepEqual(await bench.readAll(), [])
      const verdicts = await bench.inbox.transaction((tx) => bench.inbox.remember(tx, [inboxKey('1')]))
      assert.deepEqual(verdicts, ['new'])
    },
  },
  {
    title: 'a handle whose transaction was committed or rolled back is refused',
    async run(bench) {
      for (const end of ['commit', 'rollback'] as const) {
        const open = await bench.begin()
        await open[end]()
        await assert.rejects(bench.writer.insert(open.tx, [entryOf('a', 1)]), noTransaction, end)
        await assert.rejects(bench.inbox.remember(open.tx, [inboxKey('1')]), noTransaction, end)
      }
      assert.deepEqual(await bench.readAll(), [])
    },
  },
  {
    title: 'an empty message id is refused, and its transaction goes on',
    async run(bench) {
      await bench.inbox.transaction(async (tx) => {
        const nameless = entryOf('a', 1, { message: { id: '' } })
        await assert.rejects(bench.writer.insert(tx, [entryOf('a', 0), nameless]), invalid)
        await bench.writer.insert(tx, [entryOf('a', 2)])
      })
      assert.deepEqual(
        (await bench.readAll()).map(({ message }) => message.id),
        ['a-2'],
      )
    },
  },
  {
    title: 'an empty consumer, source or id is refused by the inbox, and its transaction goes on',
    async run(bench) {
      await bench.inbox.transaction(async (tx) => {
        for (const name of ['consumer', 'source', 'id'] as const) {
          const keys = [inboxKey('1'), inboxKey('2', { [name]: '' })]
          await assert.rejects(bench.inbox.remember(tx, keys), invalid, name)
        }
        assert.deepEqual(await bench.inbox.remember(tx, [inboxKey('1')]), ['new'])
      })
    },
  },
])
