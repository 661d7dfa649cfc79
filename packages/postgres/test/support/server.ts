import { randomBytes } from 'node:crypto'
import { migrate } from '@posthorn/postgres'
import type { MigrateOptions } from '@posthorn/postgres'
import pg from 'pg'
import { acquirePostgres } from '../../../../test/stack/src/index.js'
import type { Postgres, PostgresVersion } from '../../../../test/stack/src/index.js'

/** A schema of the test's own on a real server; gone, with the connections, at the end. */
export interface TestSchema extends AsyncDisposable {
  readonly server: Postgres
  readonly pool: pg.Pool
  readonly schema: string
  /** Another pool, ended with this one. */
  connect(options?: pg.PoolConfig): pg.Pool
}

/** The schema is migrated unless `migrated` is false; the server is the shared one, or a fresh one to break. */
export async function createTestSchema(
  options: MigrateOptions & { readonly fresh?: boolean; readonly migrated?: boolean } = {},
): Promise<TestSchema> {
  const { fresh = false, migrated = true, ...migration } = options
  const server = await acquirePostgres({ fresh, ...(fresh ? ownVersion() : {}) })
  const pools: pg.Pool[] = []
  const connect = (config: pg.PoolConfig = {}): pg.Pool => {
    const pool = new pg.Pool({ connectionString: server.url, max: 10, ...config })
    pools.push(pool)
    return pool
  }
  const pool = connect()
  const schema = migration.schema ?? `test_${randomBytes(6).toString('hex')}`
  if (migrated) await migrate(pool, { ...migration, schema })
  return {
    server,
    pool,
    schema,
    connect,
    async [Symbol.asyncDispose]() {
      await pool.query(`drop schema if exists "${schema}" cascade`).catch(() => {})
      await Promise.all(pools.filter(({ ended }) => !ended).map((each) => each.end()))
      await server.release()
    },
  }
}

/** What the matrix wants a server of one's own to be. */
function ownVersion(): { version?: PostgresVersion } {
  const version = process.env['POSTHORN_POSTGRES_VERSION']
  return version === undefined ? {} : { version: version as PostgresVersion }
}

/** Runs the work on a client of the pool, between BEGIN and COMMIT or ROLLBACK. */
export async function inTransaction<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
  end: 'commit' | 'rollback' = 'commit',
): Promise<Result> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query(end)
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
