import { readFileSync } from 'node:fs'
import { codeOf } from '@posthorn/core'
import { createPostgresStore, migrate, migrationSql } from '@posthorn/postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMigration } from './support/migrationProcess.js'
import { createTestSchema, inTransaction } from './support/server.js'
import type { TestSchema } from './support/server.js'
import { entry } from './support/entries.js'

let shared: TestSchema

beforeAll(async () => {
  shared = await createTestSchema()
})
afterAll(() => shared[Symbol.asyncDispose]())

const codeFrom = (work: Promise<unknown>): Promise<unknown> => work.then(String, codeOf)

describe('migrate', () => {
  test('of ten that start at once one migrates, and the others find it done', async () => {
    await using own = await createTestSchema({ migrated: false })
    // A pool each, as ten processes have.
    const pools = Array.from({ length: 10 }, () => own.connect({ max: 1 }))
    const results = await Promise.all(pools.map((pool) => migrate(pool, { schema: own.schema, uniqueIds: true })))
    expect(results.filter(({ changed }) => changed).length).toBe(1)
    expect(await migrate(own.pool, { schema: own.schema })).toEqual({ version: 1, changed: false })
  })

  test('of ten processes that start at once all succeed, and there is one schema', async () => {
    await using own = await createTestSchema({ migrated: false })
    const processes = Array.from({ length: 10 }, () => startMigration(own.server.url, own.schema))
    await Promise.all(processes.map(({ ready }) => ready))
    const results = await Promise.all(processes.map(({ migrate: go }) => go()))
    expect(results.map(({ version }) => version)).toEqual(Array.from({ length: 10 }, () => 1))
    expect(results.filter(({ changed }) => changed)).toHaveLength(1)
    const { rows } = await own.pool.query(
      `select (select count(*) from ${own.schema}.migration)::int as migrations,
        (select count(*) from ${own.schema}.setting)::int as settings,
        (select count(*) from ${own.schema}.outbox_lease)::int as leases`,
    )
    expect(rows).toEqual([{ migrations: 1, settings: 1, leases: 64 }])
    expect(await createPostgresStore({ pool: own.pool, schema: own.schema }).prepare()).toEqual({ partitionCount: 64 })
  })

  test('with unique ids again, it takes no lock that a writer with an open transaction would hold up', async () => {
    await using own = await createTestSchema()
    const { schema } = own
    expect(await migrate(own.pool, { schema, uniqueIds: true })).toEqual({ version: 1, changed: true })
    // Or it would wait for as long as the transaction is open.
    const impatient = own.connect({ options: '-c lock_timeout=1000' })
    await inTransaction(own.pool, async (client) => {
      await createPostgresStore({ pool: own.pool, schema }).insert(client, [entry()])
      expect(await migrate(impatient, { schema, uniqueIds: true })).toEqual({ version: 1, changed: false })
    })
  })

  test('of ten with snapshots that are older than their turn one migrates, and the others find it done', async () => {
    await using own = await createTestSchema({ migrated: false })
    const options = String.raw`-c default_transaction_isolation=repeatable\ read`
    const pools = Array.from({ length: 10 }, () => own.connect({ max: 1, options }))
    const results = await Promise.all(pools.map((pool) => migrate(pool, { schema: own.schema, uniqueIds: true })))
    expect(results.filter(({ changed }) => changed).length).toBe(1)
  })

  test('refuses another number of partitions than that of the database, and changes nothing', async () => {
    expect(await codeFrom(migrate(shared.pool, { schema: shared.schema, partitionCount: 128 }))).toBe(
      'POSTHORN_OUTBOX_SCHEMA',
    )
    expect(await codeFrom(migrate(shared.pool, { schema: shared.schema, partitionCount: 64 }))).not.toContain(
      'POSTHORN',
    )
  })

  test('what is printed for another tool makes the same', async () => {
    await using own = await createTestSchema({ migrated: false })
    await own.pool.query(`begin; ${migrationSql({ schema: own.schema, partitionCount: 4 })} commit`)
    expect(await migrate(own.pool, { schema: own.schema })).toEqual({ version: 1, changed: false })
    const store = createPostgresStore({ pool: own.pool, schema: own.schema })
    expect(await store.prepare()).toEqual({ partitionCount: 4 })
  })

  test('lists every problem of its options before it connects', async () => {
    const pool = new pg.Pool({ connectionString: 'postgres://127.0.0.1:1/none' })
    const failure = migrate(pool, { schema: 'Bad Name', partitionCount: 0, bogus: 1 } as never)
    await expect(failure).rejects.toMatchObject({
      code: 'POSTHORN_CONFIGURATION',
      details: { problems: { length: 3 } },
    })
    expect(await codeFrom(migrate(pool))).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    await pool.end()
  })
})

describe('the table of the outbox', () => {
  test('has the columns that the how-to gives to Debezium, of types that its router takes', async () => {
    const { rows } = await shared.pool.query<Record<string, string>>(
      `select column_name as name, data_type || case is_nullable when 'YES' then ' null' else '' end as type
       from information_schema.columns where table_schema = $1 and table_name = 'outbox'`,
      [shared.schema],
    )
    const columns = Object.fromEntries(rows.map(({ name, type }) => [name, type]))
    const page = readFileSync(new URL('../../../docs/how-to/use-debezium.md', import.meta.url), 'utf8')
    const named = [...page.matchAll(/(?:field\.event\.\w+|by\.field)=(\w+)/g)].map(([, column]) => column)
    expect(named).toEqual(['event_id', 'key', 'body', 'destination'])
    expect(columns).toMatchObject({ event_id: 'text', key: 'text null', body: 'bytea null', destination: 'text' })
    const placed = /additional\.placement=(.*)$/m
      .exec(page)?.[1]
      ?.split(',')
      .map((place) => place.split(':')[0])
    expect(placed?.map((column) => columns[column ?? ''])).toEqual(['text', 'text'])
  })

  test('read by Debezium: the heartbeat and the question about slots that the how-to gives work', async () => {
    const page = readFileSync(new URL('../../../docs/how-to/use-debezium.md', import.meta.url), 'utf8')
    const heartbeat = /^heartbeat\.action\.query=(.*)$/m.exec(page)?.[1]
    const question = /^```sql\n(.*?)^```$/ms.exec(page)?.[1]
    const slot = shared.schema
    // One of this kind needs no setting of the server, and has the same columns.
    await shared.pool.query('select pg_create_physical_replication_slot($1, true)', [slot])
    try {
      const behind = async (): Promise<number> => {
        const { rows } = await shared.pool.query<Record<string, unknown>>(question!)
        const found = rows.find((row) => row['slot_name'] === slot)
        expect(found).toMatchObject({ active: false, wal_status: 'reserved' })
        return Number(found?.['behind_bytes'])
      }
      const before = await behind()
      await shared.pool.query(heartbeat!)
      // It counts what is written to the disk, which comes a moment later.
      await expect.poll(behind).toBeGreaterThan(before)
    } finally {
      await shared.pool.query('select pg_drop_replication_slot($1)', [slot])
    }
  })
})

describe('a schema that does not fit', () => {
  test('a missing one is told, and the business transaction goes on as its owner decides', async () => {
    const store = createPostgresStore({ pool: shared.pool, schema: 'is_not_there' })
    expect(await codeFrom(store.prepare())).toBe('POSTHORN_OUTBOX_SCHEMA')
    const kept = await inTransaction(shared.pool, async (client) => {
      await client.query('create temp table business (n int) on commit drop')
      expect(await codeFrom(store.insert(client, [entry()]))).toBe('POSTHORN_OUTBOX_SCHEMA')
      await client.query('insert into business values (1)')
      return (await client.query('select * from business')).rows.length
    })
    expect(kept).toBe(1)
  })

  test('an older and a newer one are told with their versions; a newer one that still works is used', async () => {
    await using own = await createTestSchema()
    const prepare = (): Promise<unknown> => createPostgresStore({ pool: own.pool, schema: own.schema }).prepare()
    const set = (version: number, oldest: number): Promise<unknown> =>
      own.pool.query(`update ${own.schema}.migration set version = ${version}, oldest_client = ${oldest}`)
    await set(0, 0)
    expect(await codeFrom(prepare())).toBe('POSTHORN_OUTBOX_SCHEMA')
    await set(9, 9)
    expect(await codeFrom(prepare())).toBe('POSTHORN_OUTBOX_SCHEMA')
    expect(await codeFrom(migrate(own.pool, { schema: own.schema }))).toBe('POSTHORN_OUTBOX_SCHEMA')
    await set(9, 1)
    expect(await prepare()).toEqual({ partitionCount: 64 })
  })
})
