import type { Queries, Row } from '../database.js'
import { failedTransaction, noTransaction } from './executor.js'
import type { Executor } from './executor.js'
import type { PgClient, PgPool, PgPoolClient } from './pgTypes.js'
import { createTransactionProbe } from './transactionProbe.js'

const remedy =
  'Give the client on which BEGIN was called and COMMIT was not yet: `const client = await pool.connect()`, ' +
  "`await client.query('begin')`."

/** Transactions of `pg`: the handle is the client on which the caller has begun one. */
export function pgExecutor(pool: PgPool): Executor<PgClient> {
  const probe = createTransactionProbe(remedy)
  return { bind: (tx) => bindPgClient(tx, probe), transaction: (work) => pgTransaction(pool, work) }
}

/** Statements on a client of `pg` that is in a transaction; rejects otherwise. */
export async function bindPgClient(
  client: PgClient,
  probe: (tx: object, queries: Queries) => Promise<void>,
): Promise<Queries> {
  if (isPool(client as { readonly totalCount?: unknown } | null))
    throw noTransaction('A pool is no transaction', remedy)
  if (typeof (client as PgClient | undefined)?.query !== 'function') {
    throw noTransaction('The handle is no client of pg', remedy)
  }
  const queries = queriesOf(client)
  // pg rejects a query when its error comes, and learns the state of the transaction from the message behind that: until
  // then, what it tells is of before, and a COMMIT that failed still looks like a transaction.
  if ((client as { readyForQuery?: boolean }).readyForQuery === false) await queries.query('select 1')
  const status = transactionStatus(client)
  if (status === undefined) await probe(client, queries)
  if (status === 'E') throw failedTransaction()
  if (status === 'I') throw noTransaction('The client is in no transaction, or its transaction has ended', remedy)
  return queries
}

/**
 * What the server said with its last ReadyForQuery: idle, in a transaction, in a failed one. Older releases of pg 8 and
 * pg-native do not tell.
 */
function transactionStatus(client: PgClient): string | undefined {
  const { getTransactionStatus } = client as { getTransactionStatus?: () => string | null }
  return getTransactionStatus?.call(client) ?? undefined
}

function isPool(handle: { readonly totalCount?: unknown } | null): boolean {
  return typeof handle?.totalCount === 'number'
}

function queriesOf(client: PgClient): Queries {
  return { query: async (text, values = []) => (await client.query(text, [...values])).rows as Row[] }
}

async function pgTransaction<Result>(pool: PgPool, work: (tx: PgClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  let broken: Error | undefined
  // A client outside its pool has no listener, and an "error" without one ends the process.
  const onError = (error: Error): void => void (broken = error)
  client.on('error', onError)
  try {
    await client.query('begin')
    return await workAndCommit(client, work)
  } catch (error) {
    await client.query('rollback').catch(onError)
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}

async function workAndCommit<Result>(client: PgPoolClient, work: (tx: PgClient) => Promise<Result>): Promise<Result> {
  const result = await work(client)
  const { command } = await client.query('commit')
  if (command !== 'COMMIT') throw failedTransaction()
  return result
}
