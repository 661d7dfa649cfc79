import { randomBytes } from 'node:crypto'
import type { PGlite } from '@electric-sql/pglite'
import type { OpenStore, OpenStoreOptions, StoreSetup } from '@posthorn/outbox/conformance'
import { createPostgresStore, migrate } from '@posthorn/postgres'
import type { PgClient, PgliteTransaction, PostgresStoreOptions } from '@posthorn/postgres'
import type pg from 'pg'

/** Few partitions: a case that needs a shared one finds it sooner. */
const partitionCount = 8

const newSchema = (): string => `conformance_${randomBytes(6).toString('hex')}`
const restart = (schema: string, { firstId }: OpenStoreOptions): string =>
  `alter table ${schema}.outbox alter column id restart with ${firstId ?? 1n}`

const emptied = (schema: string): string => `
  delete from ${schema}.outbox; delete from ${schema}.outbox_scheduled; delete from ${schema}.outbox_key;
  delete from ${schema}.outbox_relay; delete from ${schema}.inbox;
  update ${schema}.outbox_lease set owner = null, expires_at = null, fence = 0`

/** One schema, emptied for each case, in one database in the process: to migrate takes PGlite half a second. */
export function pgliteSetup(pglite: PGlite): StoreSetup<PgliteTransaction> {
  const schema = newSchema()
  return {
    hasConcurrentTransactions: false,
    async open(options): Promise<OpenStore<PgliteTransaction>> {
      await migrate(pglite, { schema, partitionCount })
      await pglite.exec(`${emptied(schema)}; ${restart(schema, options)}`)
      const store = createPostgresStore({ pglite, schema })
      let ended: PgliteTransaction | undefined
      await pglite.transaction(async (tx) => void (ended = tx))
      return {
        writer: store,
        relays: store,
        inbox: store,
        begin: () => beginOnPglite(pglite),
        outside: [
          { name: 'PGlite itself', handle: pglite as never },
          { name: 'a transaction that has ended', handle: ended as never },
        ],
        close: () => store.close(),
      }
    },
  }
}

async function beginOnPglite(pglite: PGlite): ReturnType<OpenStore<PgliteTransaction>['begin']> {
  let end: (how: 'commit' | 'rollback') => void = () => {}
  const ending = new Promise<'commit' | 'rollback'>((resolve) => (end = resolve))
  let done: Promise<void> | undefined
  const tx = await new Promise<PgliteTransaction>((resolve, reject) => {
    done = pglite.transaction(async (opened) => {
      resolve(opened)
      if ((await ending) === 'rollback') await opened.rollback()
    })
    done.catch(reject)
  })
  const endBy = async (how: 'commit' | 'rollback'): Promise<void> => {
    end(how)
    await done
  }
  return { tx, commit: () => endBy('commit'), rollback: () => endBy('rollback') }
}

/** A schema of its own for each case, on a real server. */
export function pgSetup(pool: pg.Pool, options: Omit<PostgresStoreOptions, 'executor'> = {}): StoreSetup<PgClient> {
  return {
    listens: options.notify ?? true,
    async open(opening): Promise<OpenStore<PgClient>> {
      const schema = newSchema()
      await migrate(pool, { schema, partitionCount })
      await pool.query(restart(schema, opening))
      const store = createPostgresStore({ ...options, pool, schema })
      const idle = await pool.connect()
      const open = new Set<pg.PoolClient>()
      return {
        writer: store,
        relays: store,
        inbox: store,
        begin: () => beginOnPg(pool, open),
        outside: [
          { name: 'a pool', handle: pool as never },
          { name: 'a client in no transaction', handle: idle },
        ],
        async close() {
          idle.release()
          // Of a case that failed.
          for (const client of open) client.release(true)
          await store.close()
          await pool.query(`drop schema ${schema} cascade`)
        },
      }
    },
  }
}

async function beginOnPg(pool: pg.Pool, open: Set<pg.PoolClient>): ReturnType<OpenStore<PgClient>['begin']> {
  const tx = await pool.connect()
  open.add(tx)
  await tx.query('begin')
  const endBy = async (how: 'commit' | 'rollback'): Promise<void> => {
    await tx.query(how)
    open.delete(tx)
    tx.release()
  }
  return { tx, commit: () => endBy('commit'), rollback: () => endBy('rollback') }
}
