import { createPostgresStore, migrate } from '@posthorn/postgres'
import pg from 'pg'
import { ShopError } from '../shopError.js'
import type { Databases, Queries, ShopStore } from './shopDatabase.js'

/** Several processes share a server that takes a hundred; transactions are short, and wait for each other here. */
const maxConnections = 12

/** PostgreSQL at an address. Connects when it is used first. */
export function openPg(url: string): Databases {
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) {
    throw new ShopError(
      'SHOP_NO_DATABASE',
      'The address must be of the form postgres://user:password@host:5432/database',
    )
  }
  const pool = new pg.Pool({ connectionString: url, max: maxConnections, connectionTimeoutMillis: 30_000 })
  // An idle connection that breaks is replaced; without a listener it would end the process.
  pool.on('error', () => {})
  const query: Queries['query'] = (text, values) => pool.query(text, values)
  return {
    name: 'postgres',
    url,
    query,
    async open(schema, tables) {
      await migrate(pool, { schema })
      await inTransaction(pool, async (client) => {
        // Processes that start at once: "if not exists" alone lets two of them collide.
        await client.query('select pg_advisory_xact_lock(hashtext($1))', [`tables of ${schema}`])
        await client.query(tables(`"${schema}"`))
      })
      const store = createPostgresStore({ pool, schema }) as unknown as ShopStore
      return { schema: `"${schema}"`, store, query }
    },
    claim: (name) => claimSchemas(pool, name),
    close: () => pool.end(),
  }
}

/** `demo_` and the run, then `_` and the service: what comes before that is what one run has claimed. */
const claimOf = (schema: string): string => schema.replace(/_[a-z]+$/, '')

async function claimSchemas(pool: pg.Pool, name: string): Promise<{ release(): Promise<void> }> {
  const family = name.replace(/_.*$/, '')
  const session = await pool.connect().catch((error: unknown) => {
    throw new ShopError('SHOP_NO_DATABASE', `PostgreSQL cannot be used: ${(error as Error).message}`)
  })
  // Whatever breaks this connection is told by the next query of somebody else.
  session.on('error', () => {})
  await session.query('select pg_advisory_lock(hashtext($1))', [name])
  for (const schema of await schemasOf(session, `${family}_`)) await dropIfUnused(session, schema, name)
  return {
    async release() {
      for (const schema of await schemasOf(session, `${name}_`)) await drop(session, schema)
      session.release(true)
    },
  }
}

async function schemasOf(client: Queries, start: string): Promise<string[]> {
  const { rows } = await client.query('select nspname as name from pg_namespace where starts_with(nspname, $1)', [
    start,
  ])
  return (rows as { name: string }[]).map(({ name }) => name)
}

async function dropIfUnused(session: pg.PoolClient, schema: string, own: string): Promise<void> {
  const owner = claimOf(schema)
  if (owner === own) return
  const { rows } = await session.query('select pg_try_advisory_lock(hashtext($1)) as free', [owner])
  if ((rows as { free: boolean }[])[0]?.free !== true) return
  await drop(session, schema)
  await session.query('select pg_advisory_unlock(hashtext($1))', [owner])
}

const drop = (client: Queries, schema: string): Promise<unknown> =>
  client.query(`drop schema if exists "${schema}" cascade`)

async function inTransaction(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await work(client)
    await client.query('commit')
    client.release()
  } catch (error) {
    client.release(true) // Closed, and with it rolled back.
    throw error
  }
}
