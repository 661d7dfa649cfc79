import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '@posthorn/core/adapter'
import { createOutbox } from '@posthorn/outbox'
import type { Outbox } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import type { PgClient, PostgresStore } from '@posthorn/postgres'
import type { Pool, PoolClient } from 'pg'
import type { Actor, Notes } from '../actor.js'
import type { ChildConfig } from '../childLink.js'
import { createPace } from '../pace.js'
import { errand, flowAt, flows, idOf, step, work } from '../traffic.js'
import type { FlowKey } from '../traffic.js'
import { writerOf } from './outboxLies.js'
import { createRunPool, maxConnections } from './runPool.js'
import { selectWritten, writeNext } from './runTables.js'

/** Transactions at once: some of them wait for a connection, and more of them for the row of a hot key. */
const maxOpen = 60
const keyCount = 24
/** Of all transactions, those that go to one of two keys. */
const hotShare = 0.1
/** Of all transactions, those that are rolled back on purpose. */
const rollbackShare = 0.2
/** Until a database that is away is asked again. */
const refusedMs = 200

interface Writing {
  readonly pool: Pool
  readonly store: PostgresStore<PgClient>
  readonly outbox: Outbox<PgClient>
  readonly notes: Notes
}

/** Changes rows and publishes, one transaction for each message, many at once. */
export function createWriterActor(config: ChildConfig, notes: Notes): Actor {
  const { database, name, rate } = config
  const pool = createRunPool(database!, name, maxConnections.publisher)
  const store: PostgresStore<PgClient> = createPostgresStore({ pool, timeoutMs: 5_000 })
  const source = `/faults/${name}`
  const outbox = createOutbox({ source, store: writerOf(store, config), publishes: [step, work, errand] })
  const writing: Writing = { pool, store, outbox, notes }
  let index = 0

  async function begin(): Promise<void> {
    const flow = outboxFlow[flowAt(index)]
    const key = `${flow}${Math.random() < hotShare ? index % 2 : index % keyCount}`
    await transact(writing, { id: idOf(flow, name, index++), flow, key })
  }

  let ready = true
  return {
    async start() {
      for (;;) {
        ready = await pool.query('select 1').then(
          () => true,
          () => false,
        )
        if (ready) return
        await sleep(200)
      }
    },
    stop: () => pool.end(),
    state: () => ({ ready, unconfirmed: 0 }),
    publishing: createPace({ rate, maxOpen, work: begin }),
  }
}

const outboxFlow = { s: 'o', w: 'u', c: 'm' } as const satisfies Record<ReturnType<typeof flowAt>, FlowKey>

interface NewMessage {
  readonly id: string
  readonly flow: 'o' | 'u' | 'm'
  readonly key: string
}

/** What became of a transaction, as far as its process knows. */
type Ending =
  | { readonly what: 'committed' }
  | { readonly what: 'notSent'; readonly code: string; readonly isClean: boolean }
  | { readonly what: 'unknown'; readonly transaction: string }

/** One transaction; whatever becomes of it is written down. */
async function transact(writing: Writing, message: NewMessage): Promise<void> {
  const { pool, notes } = writing
  const { ledger, now } = notes
  const { id } = message
  const client = await pool.connect().catch(() => undefined)
  // Nothing was begun: there is nothing to write down.
  if (client === undefined) return sleep(refusedMs)
  const ignore = (): void => {} // Whatever waits for the connection is told too.
  client.on('error', ignore)
  await ledger.write(`a ${id} ${now()}`)
  const ending = await write(writing, client, message)
  client.off('error', ignore)
  client.release(ending.what === 'unknown' || (ending.what === 'notSent' && !ending.isClean))
  if (ending.what === 'committed') return ledger.write(`k ${id} 1 ${now()}`)
  if (ending.what === 'notSent') return ledger.write(`f ${id} notSent ${ending.code} ${now()}`)
  await ledger.write(`f ${id} unknown COMMIT_UNANSWERED ${now()}`)
  const status = await statusOf(writing, id, ending.transaction)
  await ledger.write(status === 'committed' ? `k ${id} 1 ${now()}` : `f ${id} notSent ABORTED ${now()}`)
}

async function write({ outbox }: Writing, client: PoolClient, { id, flow, key }: NewMessage): Promise<Ending> {
  let transaction: string
  try {
    await client.query('begin')
    // The row of the key is locked from here on: others of a hot key wait.
    const { rows } = await client.query<{ seq: string; transaction: string }>({ ...writeNext, values: [key, id] })
    const seq = Number(rows[0]!.seq)
    transaction = rows[0]!.transaction
    await outbox.publish(client, flows[flow].contract, { key, seq }, { id })
    if (Math.random() < rollbackShare) return await rolledBack(client)
  } catch (error) {
    // Nobody has asked for a COMMIT, and nobody will on this connection.
    return { what: 'notSent', code: codeOf(error) ?? 'FAILED', isClean: false }
  }
  try {
    const { command } = await client.query('commit')
    return command === 'COMMIT' ? { what: 'committed' } : { what: 'notSent', code: 'NO_COMMIT', isClean: true }
  } catch {
    return { what: 'unknown', transaction }
  }
}

/** In the ways in which transactions end: on purpose, with a connection, and by a COMMIT that comes too late. */
async function rolledBack(client: PoolClient): Promise<Ending> {
  const way = Math.random()
  if (way < 0.1) return { what: 'notSent', code: 'CONNECTION_DROPPED', isClean: false }
  if (way < 0.5) {
    await client.query('rollback')
    return { what: 'notSent', code: 'ROLLED_BACK', isClean: true }
  }
  await client.query('select 1 / 0').catch(() => {})
  const { command } = await client.query('commit')
  if (command !== 'ROLLBACK') throw new Error(`A transaction that failed ended with ${command}`)
  return { what: 'notSent', code: 'FAILED_STATEMENT', isClean: true }
}

/** Asked until it is known: by the number of the transaction, and by its row where the database has crashed since. */
async function statusOf({ pool, store }: Writing, id: string, transaction: string): Promise<'committed' | 'aborted'> {
  for (;;) {
    try {
      const status = await store.commitStatus(transaction)
      if (status === 'committed' || status === 'aborted') return status
      // Nothing of before a crash is in progress after it.
      if (status === undefined) return (await pool.query(selectWritten, [id])).rows.length > 0 ? 'committed' : 'aborted'
    } catch {
      // The database is away.
    }
    await sleep(refusedMs)
  }
}
