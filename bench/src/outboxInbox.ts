import { randomUUID } from 'node:crypto'
import { createPostgresStore } from '@posthorn/postgres'
import type pg from 'pg'
import type { InProcessContender } from './measure.js'
import { createOutboxTable } from './outboxTable.js'
import type { OutboxTable } from './outboxTable.js'

/** Both remember one message after the other, each in a transaction with one effect; by hand in a table that nobody empties. */
export async function openInbox(): Promise<{ ours: InProcessContender; bare: InProcessContender }> {
  const table = await createOutboxTable()
  const { pool, schema } = table
  await pool.query(
    `create table ${schema}.handled (consumer text, source text, id text, primary key (consumer, source, id))`,
  )
  await pool.query(`create table ${schema}.effect (id text not null)`)
  return { ours: ourInbox(table), bare: bareInbox(table) }
}

function ourInbox(table: OutboxTable): InProcessContender {
  const store = createPostgresStore({ pool: table.pool, schema: table.schema })
  return {
    name: 'posthorn, inbox and effect',
    async run(messages) {
      for (let index = 0; index < messages; index += 1) {
        const id = randomUUID()
        await store.transaction(async (tx) => {
          const [verdict] = await store.remember(tx, [{ consumer: 'billing', source: '/bench', id, time: new Date() }])
          if (verdict === 'new') await tx.query(effectIn(table), [id])
        })
      }
    },
    async close() {
      await store.close()
      await table.close()
    },
  }
}

function bareInbox(table: OutboxTable): InProcessContender {
  const remember = `insert into ${table.schema}.handled (consumer, source, id) values ($1, $2, $3) on conflict do nothing`
  async function handle(client: pg.PoolClient): Promise<void> {
    const id = randomUUID()
    await client.query('begin')
    const { rowCount } = await client.query(remember, ['billing', '/bench', id])
    if (rowCount === 1) await client.query(effectIn(table), [id])
    await client.query('commit')
  }
  return {
    name: 'insert on conflict do nothing, and effect',
    async run(messages) {
      for (let index = 0; index < messages; index += 1) {
        const client = await table.pool.connect()
        await handle(client)
        client.release()
      }
    },
    close: () => Promise.resolve(),
  }
}

const effectIn = ({ schema }: OutboxTable): string => `insert into ${schema}.effect (id) values ($1)`
