import type { InboxKey } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import type { PgClient, PostgresStore } from '@posthorn/postgres'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTestSchema } from './support/server.js'
import type { TestSchema } from './support/server.js'

let own: TestSchema
let store: PostgresStore<PgClient>
let clients: pg.PoolClient[] = []

beforeEach(async () => {
  own = await createTestSchema()
  store = createPostgresStore({ pool: own.connect({ max: 20 }), schema: own.schema })
  // An inbox of a week ago, sealed up to the day before yesterday.
  await own.pool.query(`update ${own.schema}.inbox_seal set through = (now() at time zone 'UTC')::date - 2`)
})
afterEach(async () => {
  for (const client of clients) client.release(true)
  clients = []
  await own[Symbol.asyncDispose]()
})

const key: InboxKey = { consumer: 'c', source: '/s', id: '1', time: undefined }

async function begin(isolation = 'read committed'): Promise<pg.PoolClient> {
  const client = await own.pool.connect()
  clients.push(client)
  await client.query(`begin isolation level ${isolation}`)
  return client
}

/** A transaction that has remembered the message yesterday, and is still open. */
async function openSinceYesterday(): Promise<pg.PoolClient> {
  const client = await begin()
  await client.query(`insert into ${own.schema}.inbox (consumer, source, id, day)
    values ('c', '/s', '1', (now() at time zone 'UTC')::date - 1)`)
  return client
}

/** What `inbox_maintain` writes an hour after midnight. */
const sealYesterday = (): Promise<unknown> =>
  own.pool.query(`insert into ${own.schema}.inbox_seal (through, xid)
    values ((now() at time zone 'UTC')::date - 1, pg_current_xact_id())`)

const rows = async (): Promise<number> => (await own.pool.query(`select from ${own.schema}.inbox`)).rowCount ?? 0

/** The answer, and whether it came before somebody waited for a lock. */
async function askWhileOpen(
  open: pg.PoolClient,
  end: 'commit' | 'rollback',
  { by, keys = [key] }: { by: pg.PoolClient; keys?: readonly InboxKey[] },
): Promise<unknown> {
  const { rows: pids } = await by.query<{ pid: number }>('select pg_backend_pid() as pid')
  let answered = false
  const asked = store.remember(by, keys).then(
    (verdicts) => {
      answered = true
      return verdicts
    },
    (error: unknown) => {
      answered = true
      return (error as { code?: string }).code
    },
  )
  const waits = async (): Promise<boolean> => {
    const { rows: found } = await own.pool.query('select cardinality(pg_blocking_pids($1)) as count', [pids[0]!.pid])
    return answered || (found[0] as { count: number }).count > 0
  }
  await expect.poll(waits).toBe(true)
  expect(answered).toBe(false)
  await open.query(end)
  return asked
}

describe('the inbox at midnight', () => {
  test.each([
    { state: 'open', end: 'commit', expected: 'duplicate' },
    { state: 'open', end: 'rollback', expected: 'new' },
    { state: 'sealed', end: 'commit', expected: 'duplicate' },
    { state: 'sealed', end: 'rollback', expected: 'new' },
  ] as const)('a message of a transaction of yesterday, with that day $state, waits for it: $end', async (each) => {
    const open = await openSinceYesterday()
    if (each.state === 'sealed') await sealYesterday()
    expect(await askWhileOpen(open, each.end, { by: await begin() })).toEqual([each.expected])
  })

  test('one of several messages of a list waits as well', async () => {
    const keys = [{ ...key, id: '0' }, key]
    expect(await askWhileOpen(await openSinceYesterday(), 'commit', { by: await begin(), keys })).toEqual([
      'new',
      'duplicate',
    ])
  })

  test('a snapshot from before yesterday ended does not make a message new twice', async () => {
    const open = await openSinceYesterday()
    const today = await begin('repeatable read')
    await today.query(`select from ${own.schema}.inbox`)
    await sealYesterday()
    expect(await askWhileOpen(open, 'commit', { by: today })).toBe('40001')
  })

  test('once all transactions of yesterday have ended, a message is written once', async () => {
    const open = await begin()
    await open.query('select pg_current_xact_id()')
    await sealYesterday()
    await store.transaction((tx) => store.remember(tx, [key]))
    expect(await rows()).toBe(2)
    await open.query('commit')
    // Transactions of others on the server may be as old.
    let id = 0
    const added = async (): Promise<number> => {
      const before = await rows()
      id += 1
      await store.transaction((tx) => store.remember(tx, [{ ...key, id: `later-${id}` }]))
      return (await rows()) - before
    }
    await expect.poll(added, { timeout: 60_000 }).toBe(1)
  })

  test('of eight copies, half of which read the clock of yesterday, one is new', async () => {
    const { rows: found } = await own.pool.query<{ src: string }>(
      `select pg_get_functiondef('${own.schema}.inbox_remember'::regproc) as src`,
    )
    const swaying = `(clock_timestamp() - (pg_backend_pid() % 2) * interval '1 day')`
    await own.pool.query(found[0]!.src.replace('clock_timestamp()', swaying))
    for (let round = 0; round < 20; round += 1) {
      const copy = { ...key, id: `copy-${round}` }
      // Alone and in lists: each has statements of its own.
      const listOf = (index: number): InboxKey[] =>
        index % 4 < 2 ? [copy] : [copy, { ...key, id: `beside-${round}-${index}` }]
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) => store.transaction((tx) => store.remember(tx, listOf(index)))),
      )
      expect(answers.filter(([verdict]) => verdict === 'new')).toHaveLength(1)
    }
    const { rows: days } = await own.pool.query(`select distinct day from ${own.schema}.inbox`)
    expect(days).toHaveLength(2)
  })
})
