import assert from 'node:assert/strict'
import { entryOf, refsOf } from './storeBench.js'
import type { EntryChanges } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)

/** What must come back as it was given. */
const messages: Readonly<Record<string, EntryChanges>> = {
  'every byte': { message: { body: allBytes, contentType: 'application/octet-stream' } },
  text: { message: { body: Buffer.from(JSON.stringify({ note: 'Grüße, 世界 🚚 \\ "\t\u0000' })) } },
  'a byte order mark': { message: { body: Buffer.from('\uFEFF{"n":1}') } },
  'an empty body': { message: { body: new Uint8Array(0) } },
  'no body': { message: { body: null } },
  headers: {
    message: {
      headers: { traceparent: '00-1-2-01', ce_subject: 'Grüße, 世界 🚚', empty: '', quote: `"'\\ {}`, __proto: 'x' },
    },
  },
  'a command': { mustRoute: true, destination: 'shop.charges' },
  'a long type': { message: { type: `com.example.${'é'.repeat(121)}`, id: 'é'.repeat(127) } },
}

/** The very bytes that the broker is to get come back. */
export const exactMessages: StorePromise = storePromise('exactMessages', [
  ...Object.entries(messages).map(([name, changes]) => ({
    title: `an entry with ${name} comes back exactly`,
    async run(bench: Parameters<StorePromise['cases'][number]['run']>[0]) {
      const given = entryOf('a', 1, changes)
      await bench.commit([given])
      const [read, more] = await bench.readAll()
      assert.ok(read !== undefined && more === undefined)
      const { body, ...rest } = read.message
      const { body: givenBody, ...givenRest } = given.message
      assert.deepEqual({ ...rest, headers: { ...rest.headers } }, givenRest)
      assert.deepEqual(body === null ? null : [...body], givenBody === null ? null : [...givenBody])
      assert.deepEqual([read.destination, read.mustRoute, read.attempts], [given.destination, given.mustRoute, 0])
      assert.equal(read.notBefore, undefined)
    },
  })),
  {
    title: 'keys of any characters are keys of their own',
    async run(bench) {
      const keys = ['é', 'e\u0301', '世界', '🚚', ' ', 'a:b', "'; --", '\\', '%', 'x'.repeat(255)]
      await bench.commit(keys.map((key, index) => entryOf(key, index)))
      const read = await bench.readAll()
      assert.deepEqual(read.map(({ message }) => message.partitionKey ?? '').sort(), [...keys].sort())
    },
  },
  {
    title: 'a message without a key stays one',
    async run(bench) {
      const { partitionKey: _, ...message } = entryOf('a', 1).message
      await bench.commit([{ ...entryOf('a', 1), message }])
      const [read] = await bench.readAll()
      assert.equal(read?.message.partitionKey, undefined)
    },
  },
  {
    title: 'ids beyond what a number holds are exact, in reading, excluding and removing',
    firstId: 9_007_199_254_740_993n,
    async run(bench) {
      await bench.commit([1, 2, 3].map((n) => entryOf('a', n)))
      const { leases } = await bench.leaseAll()
      const read = await bench.read(leases)
      const first = read[0]?.id ?? 0n
      assert.ok(first >= 9_007_199_254_740_993n, `the first id is ${first}`)
      assert.deepEqual(new Set(read.map(({ id }) => id)).size, 3)
      const [middle] = refsOf(read.slice(1, 2), leases)
      const others = await bench.read(leases, { except: middle === undefined ? [] : [middle] })
      assert.deepEqual(
        others.map(({ message }) => message.id),
        ['a-1', 'a-3'],
      )
      assert.equal(await bench.relays.remove('one', middle === undefined ? [] : [middle]), 1)
      assert.deepEqual(
        (await bench.read(leases)).map(({ id }) => id),
        [read[0]?.id, read[2]?.id],
      )
    },
  },
])
