import { PGlite } from '@electric-sql/pglite'
import { codeOf } from '@posthorn/core'
import { createPostgresStore, migrate } from '@posthorn/postgres'
import type { Executor, PostgresStore } from '@posthorn/postgres'
import { drizzleExecutor } from '@posthorn/postgres/drizzle'
import { kyselyExecutor } from '@posthorn/postgres/kysely'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import { CompiledQuery, Kysely, PGliteDialect, PostgresDialect } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { entry, everything } from './support/entries.js'
import { createTestSchema } from './support/server.js'
import type { TestSchema } from './support/server.js'

let own: TestSchema
let pglite: PGlite

beforeAll(async () => {
  own = await createTestSchema()
  pglite = await PGlite.create()
  await migrate(pglite, { schema: own.schema })
})
afterAll(async () => {
  await pglite.close()
  await own[Symbol.asyncDispose]()
})

type AnyTx = Record<string, unknown>

/** A library with its database; `sql` runs a statement in one of its transactions. */
interface Library {
  readonly database: unknown
  readonly executor: Executor<AnyTx>
  readonly sql: (tx: AnyTx, text: string) => Promise<unknown>
}

const drizzled = (db: { transaction: unknown }): Library => ({
  database: db,
  executor: drizzleExecutor(db) as unknown as Executor<AnyTx>,
  sql: async (tx, text) => (tx['execute'] as (text: string) => Promise<unknown>)(text),
})

const kyselied = (db: Kysely<unknown>): Library => ({
  database: db,
  executor: kyselyExecutor(db, CompiledQuery) as unknown as Executor<AnyTx>,
  sql: async (tx, text) => (tx as unknown as Kysely<unknown>).executeQuery(CompiledQuery.raw(text)),
})

const libraries: Readonly<Record<string, () => { library: Library; store: PostgresStore<AnyTx> }>> = {
  'Drizzle over node-postgres': () => onPg(drizzled(drizzlePg(own.pool))),
  'Drizzle over PGlite': () => onPglite(drizzled(drizzlePglite(pglite))),
  'Kysely over pg': () => onPg(kyselied(new Kysely({ dialect: new PostgresDialect({ pool: own.pool }) }))),
  'Kysely over PGlite': () => onPglite(kyselied(new Kysely({ dialect: new PGliteDialect({ pglite }) }))),
}

const onPg = (library: Library): ReturnType<(typeof libraries)[string]> => ({
  library,
  store: createPostgresStore({ pool: own.pool, schema: own.schema, executor: library.executor }),
})
const onPglite = (library: Library): ReturnType<(typeof libraries)[string]> => ({
  library,
  store: createPostgresStore({ pglite, schema: own.schema, executor: library.executor }),
})

describe.each(Object.keys(libraries))('%s', (name) => {
  let library: Library
  let store: PostgresStore<AnyTx>

  beforeEach(async () => {
    ;({ library, store } = libraries[name]!())
    const emptied = `delete from ${own.schema}.outbox`
    await (name.includes('PGlite') ? pglite.exec(emptied) : own.pool.query(emptied))
  })

  const codeFrom = (work: Promise<unknown>): Promise<unknown> => work.then(String, codeOf)
  const storedIds = async (): Promise<Set<string>> => {
    const { leases } = await store.renew('a', 60_000)
    return new Set((await store.read(everything('a', leases))).map(({ message }) => message.id))
  }

  test('what its transactions commit is there with every byte, and what they roll back is not', async () => {
    const committed = new Set<string>()
    for (let round = 0; round < 20; round += 1) {
      const entries = [entry({ key: 'k', text: `{"round":${round}}` }), entry({ body: null })]
      const rolledBack = round % 5 === 0
      await store
        .transaction(async (tx) => {
          await store.insert(tx, entries)
          if (rolledBack) throw new Error('of the business')
        })
        .catch((error: Error) => expect(error.message).toBe('of the business'))
      if (!rolledBack) for (const { message } of entries) committed.add(message.id)
    }
    expect(await storedIds()).toEqual(committed)
    const { leases } = await store.renew('a', 60_000)
    const [first] = (await store.read(everything('a', leases))).filter(({ message }) => message.partitionKey === 'k')
    expect(new TextDecoder().decode(first?.message.body ?? undefined)).toBe('{"round":1}')
  })

  test('its database is refused, and a transaction that has ended, before anything is written', async () => {
    let ended: AnyTx | undefined
    await store.transaction(async (tx) => void (ended = tx))
    expect(await codeFrom(store.insert(library.database as AnyTx, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
    expect(await codeFrom(store.insert(ended!, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
    expect(await codeFrom(store.insert({} as AnyTx, [entry()]))).toBe('POSTHORN_NO_TRANSACTION')
    expect(await storedIds()).toEqual(new Set())
  })

  test('a transaction that had failed rejects, though its error was swallowed', async () => {
    const work = store.transaction(async (tx) => {
      await store.insert(tx, [entry()])
      await library.sql(tx, 'select 1 / 0').catch(() => {})
    })
    expect(await codeFrom(work)).toBe('POSTHORN_TRANSACTION_FAILED')
    expect(await storedIds()).toEqual(new Set())
  })

  test('its transactions carry the inbox too', async () => {
    const key = { consumer: name, source: '/s', id: `${Math.random()}`, time: new Date() }
    expect(await store.transaction((tx) => store.remember(tx, [key]))).toEqual(['new'])
    expect(await store.transaction((tx) => store.remember(tx, [key]))).toEqual(['duplicate'])
  })
})
