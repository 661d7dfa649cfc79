import { randomUUID } from 'node:crypto'
import { createOutbox } from '@posthorn/outbox'
import type { NewEntry } from '@posthorn/outbox'
import { migrate } from '@posthorn/postgres'
import pg from 'pg'
import { addressesFrom } from './addresses.js'
import { makeOrder, orderContract } from './orderEvent.js'
import { loadPeer, peerTable } from './outboxPeer.js'

/** An outbox of the bench's own, in a schema that goes when it is closed. */
export interface OutboxTable {
  readonly pool: pg.Pool
  readonly schema: string
  readonly destination: string
  /** Makes the outbox hold exactly so many entries, of so many keys that take turns. */
  fill(count: number, keys: number): Promise<void>
  /** Makes the outbox of the peer hold exactly so many messages with the same bytes, of so many keys that take turns. */
  fillPeer(count: number, keys: number): Promise<void>
  /** Adds entries until there are so many. */
  topUp(count: number, keys: number): Promise<void>
  close(): Promise<void>
}

export const newPool = (max = 4): pg.Pool =>
  new pg.Pool({ connectionString: addressesFrom('POSTHORN_POSTGRES_URL')[0]!, max })

export async function createOutboxTable({ body }: { readonly body?: Buffer } = {}): Promise<OutboxTable> {
  const pool = newPool()
  const schema = `bench_${randomUUID().replaceAll('-', '').slice(0, 12)}`
  await migrate(pool, { schema })
  const destination = `bench-${randomUUID()}`
  const { message } = await templateFor(destination)
  const { type, contentType, headers } = message
  const values = [destination, type, contentType, body ?? message.body, JSON.stringify(headers)]
  async function topUp(count: number, keys: number): Promise<void> {
    const { rows } = await pool.query<{ count: number }>(`select count(*)::int as count from ${schema}.outbox`)
    await pool.query(
      `insert into ${schema}.outbox (partition, event_id, destination, key, type, content_type, body, headers, must_route)
      select (n % $7::int) % 64, gen_random_uuid()::text, $1, 'user-' || n % $7::int, $2, $3, $4::bytea, $5::jsonb, false
      from generate_series(1, $6::int) n`,
      [...values, count - rows[0]!.count, keys],
    )
    await pool.query(`vacuum analyze ${schema}.outbox`)
  }
  return {
    pool,
    schema,
    destination,
    topUp,
    async fill(count, keys) {
      await pool.query(`truncate ${schema}.outbox`)
      await topUp(count, keys)
    },
    fillPeer: (count, keys) => fillPeer(pool, schema, { values: values.slice(1), count, keys }),
    async close() {
      await pool.query(`drop schema ${schema} cascade`)
      await pool.end()
    },
  }
}

/** The table of its own set-up, with its own indexes, in our schema. */
async function fillPeer(
  pool: pg.Pool,
  schema: string,
  { values, count, keys }: { readonly values: readonly unknown[]; readonly count: number; readonly keys: number },
): Promise<void> {
  const { DatabaseSetup } = await loadPeer()
  const table = peerTable(schema)
  for (const step of ['dropAndCreateTable', 'createPollingFunction', 'setupPollingIndexes']) {
    await pool.query(DatabaseSetup[step]!(table))
  }
  const [type, , body, headers] = values
  await pool.query(
    `insert into ${schema}.${table.table} (id, aggregate_type, aggregate_id, message_type, segment, payload, metadata)
    select gen_random_uuid(), 'order', 'user-' || n % $1::int, $2, 'user-' || n % $1::int, $3::jsonb, $4::jsonb
    from generate_series(1, $5::int) n`,
    [keys, type, (body as Buffer).toString(), headers, count],
  )
  await pool.query(`vacuum analyze ${schema}.${table.table}`)
}

/** What a service of ours stores for one order. */
async function templateFor(destination: string): Promise<NewEntry> {
  const stored: NewEntry[] = []
  const store = { insert: async (_tx: unknown, entries: readonly NewEntry[]) => void stored.push(...entries) }
  const outbox = createOutbox({ source: '/bench', store })
  await outbox.publish({}, orderContract(destination, { keyed: true }), makeOrder(1))
  return stored[0]!
}
