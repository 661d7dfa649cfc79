import { randomBytes } from 'node:crypto'
import { codeOf } from '@posthorn/core'
import { createPostgresStore } from '@posthorn/postgres'
import type { PgClient } from '@posthorn/postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { entry, everything, refOf } from './support/entries.js'
import { createTestSchema, inTransaction } from './support/server.js'
import type { TestSchema } from './support/server.js'

let own: TestSchema

beforeAll(async () => {
  own = await createTestSchema({ uniqueIds: true })
})
afterEach(() => own.pool.query(`truncate ${own.schema}.outbox, ${own.schema}.outbox_scheduled`))
afterAll(() => own[Symbol.asyncDispose]())

const codeFrom = (work: Promise<unknown>): Promise<unknown> => work.then(String, codeOf)
const stored = async (): Promise<string[]> =>
  (await own.pool.query<{ event_id: string }>(`select event_id from ${own.schema}.outbox order by id`)).rows.map(
    ({ event_id: id }) => id,
  )
const storeWith = (options: object = {}): ReturnType<typeof createPostgresStore<PgClient>> =>
  createPostgresStore({ pool: own.pool, schema: own.schema, ...options }) as never

describe('a transaction of pg', () => {
  test('a pool, a client outside a transaction and one whose transaction has ended are refused, before anything is written', async () => {
    const store = storeWith()
    const client = await own.pool.connect()
    try {
      expect(await codeFrom(store.insert(own.pool as never, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
      expect(await codeFrom(store.insert(client, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
      await client.query('begin')
      await client.query('commit')
      expect(await codeFrom(store.insert(client, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
      await client.query('begin')
      await client.query('select 1 / 0').catch(() => {})
      expect(await codeFrom(store.insert(client, [entry()]))).toBe('POSTHORN_TRANSACTION_FAILED')
      await client.query('rollback')
    } finally {
      client.release(true)
    }
    expect(await stored()).toEqual([])
  })

  test('a client whose COMMIT failed a moment ago is refused, though pg has not learnt of it yet', async () => {
    const store = storeWith()
    const client = await own.pool.connect()
    try {
      await client.query(`create temp table once (n int unique deferrable initially deferred);
        begin; insert into once values (1), (1)`)
      const code = await client.query('commit').catch(() => codeFrom(store.insert(client, [entry()])))
      expect(code).toBe('POSTHORN_NO_TRANSACTION')
    } finally {
      client.release(true)
    }
    expect(await stored()).toEqual([])
  })

  test('a release of pg that does not tell the state of a transaction is asked by SQL', async () => {
    const store = storeWith()
    const client = await own.pool.connect()
    const silent: PgClient = {
      query: (text, values) => client.query(text, values) as never,
      on: () => {},
      off: () => {},
    }
    try {
      expect(await codeFrom(store.insert(silent, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
      await client.query('begin')
      await store.insert(silent, [entry({ id: 'first' })])
      await client.query('savepoint here')
      await store.insert(silent, [entry()])
      await client.query('rollback to here')
      await store.insert(silent, [entry({ id: 'second' })])
      await client.query('commit')
      expect(await codeFrom(store.insert(silent, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
    } finally {
      client.release()
    }
    expect(await stored()).toEqual(['first', 'second'])
  })

  test('what is rolled back leaves nothing, and what is committed is there', async () => {
    const store = storeWith()
    const committed: string[] = []
    for (let round = 0; round < 50; round += 1) {
      const entries = [entry({ key: 'k' }), entry()]
      const end = round % 5 === 0 ? 'rollback' : 'commit'
      await inTransaction(own.pool, (client) => store.insert(client, entries), end)
      if (end === 'commit') committed.push(...entries.map(({ message }) => message.id))
    }
    expect(await stored()).toEqual(committed)
  })

  test('many entries of one call keep their order, those for later stand apart', async () => {
    const entries = Array.from({ length: 5_100 }, (_, index) => entry({ key: 'k', id: `e-${index}` }))
    const later = entry({ notBefore: new Date(Date.now() + 3_600_000) })
    await inTransaction(own.pool, (client) => storeWith().insert(client, [...entries, later]))
    expect(await stored()).toEqual(entries.map(({ message }) => message.id))
    const scheduled = await own.pool.query(`select event_id from ${own.schema}.outbox_scheduled`)
    expect(scheduled.rows).toEqual([{ event_id: later.message.id }])
  })

  test('what PostgreSQL cannot keep is refused before it fails the transaction', async () => {
    const store = storeWith()
    await inTransaction(own.pool, async (client) => {
      for (const bad of [entry({ id: '' }), entry({ key: 'a\u0000b' }), entry({ key: 'a\ud800' })]) {
        expect(await codeFrom(store.insert(client, [entry(), bad]))).toBe('POSTHORN_INVALID_ENVELOPE')
      }
      await store.insert(client, [entry({ id: 'good' })])
    })
    expect(await stored()).toEqual(['good'])
  })

  test('a key or id longer than an index takes is refused, with what and where; the longest can be parked', async () => {
    const store = storeWith()
    // Random, or PostgreSQL would compress it.
    const longest = randomBytes(1_536).toString('base64')
    await inTransaction(own.pool, async (client) => {
      const refused = store.insert(client, [entry({ id: 'one', key: `${longest}a` })])
      await expect(refused).rejects.toMatchObject({
        code: 'POSTHORN_INVALID_ENVELOPE',
        message: 'The partition key of message one has 2049 bytes, and the outbox takes 2048; nothing was written.',
        issues: [{ pointer: '/partitionkey' }],
      })
      expect(await codeFrom(store.insert(client, [entry({ id: `${longest}a` })]))).toBe('POSTHORN_INVALID_ENVELOPE')
      await store.insert(client, [entry({ key: longest }), entry({ id: [...longest].toReversed().join('') })])
    })
    const { leases } = await store.renew('long', 60_000)
    const found = await store.read(everything('long', leases))
    for (const one of found) {
      const failure = { code: 'X', message: 'x' }
      const verdict = await store.fail('long', refOf(one, leases), failure, { maxAttempts: 1, retryAfterMs: 0 })
      expect(verdict).toEqual({ attempts: 1, parked: true })
    }
    expect((await store.parkedKeys()).map(({ key }) => key.length)).toEqual([2_048, 2_048])
    for (const key of await store.parkedKeys()) expect(await store.decide(key, 'discard')).toBe(1)
    await store.leave('long')
  })

  test('an id that waits already is told as a duplicate where the index is', async () => {
    const store = storeWith()
    const twice = entry()
    await inTransaction(own.pool, (client) => store.insert(client, [twice]))
    const again = inTransaction(own.pool, (client) => store.insert(client, [twice]))
    expect(await codeFrom(again)).toBe('POSTHORN_OUTBOX_DUPLICATE')
  })
})

describe('lockKeys', () => {
  test('lets transactions of one key store one after the other, in the order in which they commit', async () => {
    const store = storeWith({ lockKeys: true })
    const [first, second] = [await own.pool.connect(), await own.pool.connect()]
    try {
      await first.query('begin')
      await second.query('begin')
      await store.insert(first, [entry({ key: 'k', id: 'first' })])
      let waits = true
      const waiting = store.insert(second, [entry({ key: 'k', id: 'second' })]).then(() => (waits = false))
      const pids = `select count(*)::int as n from pg_locks where locktype = 'advisory' and not granted`
      await expect.poll(async () => (await own.pool.query<{ n: number }>(pids)).rows[0]?.n).toBeGreaterThan(0)
      expect(waits).toBe(true)
      await first.query('commit')
      await waiting
      await second.query('commit')
    } finally {
      first.release()
      second.release()
    }
    expect(await stored()).toEqual(['first', 'second'])
  })

  test('transactions with the same keys in opposite orders wait for each other without a deadlock', async () => {
    const store = storeWith({ lockKeys: true })
    const keys = ['a', 'b', 'c', 'd']
    const rounds = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? keys : [...keys].reverse()))
    await Promise.all(
      rounds.map((order) =>
        inTransaction(own.pool, (client) =>
          store.insert(
            client,
            order.map((key) => entry({ key })),
          ),
        ),
      ),
    )
    expect((await stored()).length).toBe(160)
  })
})
