import { randomUUID } from 'node:crypto'
import { createOutbox } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import type { PgClient } from '@posthorn/postgres'
import type pg from 'pg'
import { createBareWork } from './bareWork.js'
import type { InProcessContender } from './measure.js'
import { makeOrder, orderContract } from './orderEvent.js'
import type { Order } from './orderEvent.js'
import { createOutboxTable } from './outboxTable.js'
import type { OutboxTable } from './outboxTable.js'

/** Few commits, so that the inserts are measured and not the disk. */
const insertsPerTransaction = 500

/** Both store one order after the other in transactions of one connection; by hand into a table without partitions. */
export async function openInserts(): Promise<{ ours: InProcessContender; bare: InProcessContender }> {
  const table = await createOutboxTable()
  const { pool, schema } = table
  await pool.query(`create table ${schema}.bare (id bigint generated always as identity primary key, event_id text not null,
    destination text not null, key text, type text not null, content_type text not null, body bytea, headers jsonb not null,
    created_at timestamptz not null default now())`)
  return { ours: ourInserts(table), bare: bareInserts(table) }
}

function ourInserts(table: OutboxTable): InProcessContender {
  const { pool, schema, destination } = table
  const store = createPostgresStore({ pool, schema })
  const outbox = createOutbox<PgClient>({ source: '/bench', store })
  const contract = orderContract(destination, { keyed: true })
  return {
    name: 'posthorn outbox.publish',
    prepare: async () => void (await pool.query(`truncate ${schema}.outbox`)),
    run: (messages) => inTransactions(pool, messages, (client, order) => outbox.publish(client, contract, order)),
    async close() {
      await store.close()
      await table.close()
    },
  }
}

function bareInserts({ pool, schema, destination }: OutboxTable): InProcessContender {
  const work = createBareWork()
  const type = 'com.example.bench.order.placed.v1'
  const sql = `insert into ${schema}.bare (event_id, destination, key, type, content_type, body, headers)
    values ($1, $2, $3, $4, $5, $6, $7)`
  const insert = (client: pg.PoolClient, order: Order): Promise<unknown> => {
    const id = randomUUID()
    // As many bytes as ours: the envelope around the data.
    const head = JSON.stringify({ specversion: '1.0', id, source: '/bench', type, time: new Date(), data: 0 })
    const body = Buffer.concat([Buffer.from(head.slice(0, -2)), work.encode(order), Buffer.from('}')])
    return client.query(sql, [id, destination, order.userId, type, 'application/cloudevents+json', body, '{}'])
  }
  return {
    name: 'insert + ajv',
    prepare: async () => void (await pool.query(`truncate ${schema}.bare`)),
    run: (messages) => inTransactions(pool, messages, insert),
    close: () => Promise.resolve(),
  }
}

async function inTransactions(
  pool: pg.Pool,
  messages: number,
  insert: (client: pg.PoolClient, order: Order) => Promise<unknown>,
): Promise<void> {
  const client = await pool.connect()
  for (let index = 0; index < messages; index += 1) {
    if (index % insertsPerTransaction === 0) await client.query('begin')
    await insert(client, makeOrder(index, 1_000))
    if ((index + 1) % insertsPerTransaction === 0 || index + 1 === messages) await client.query('commit')
  }
  client.release()
}
