/* The door for services that use Kysely: `@posthorn/postgres/kysely`. */
import type { Queries, Row } from './database.js'
import { noTransaction } from './executors/executor.js'
import type { Executor } from './executors/executor.js'
import { createTransactionProbe } from './executors/transactionProbe.js'

const remedy = 'Give the `trx` that the callback of `db.transaction().execute` gets, while that callback runs.'

/** What is used of Kysely's transactions; `Transaction<DB>` of any DB is one. */
export interface KyselyTransaction {
  readonly isTransaction: boolean
  executeQuery(query: never): Promise<{ readonly rows: unknown[] }>
}

/** What is used of Kysely itself. */
export interface KyselyDatabase<Tx> {
  transaction(): { execute<Result>(work: (trx: Tx) => Promise<Result>): Promise<Result> }
}

/** How Kysely hands over a statement that is SQL already: `CompiledQuery.raw`. */
type RawQuery = (sql: string, parameters?: unknown[]) => unknown

/**
 * Entries are written with a transaction of Kysely. `db` itself is refused, and a `trx` whose callback has ended: older releases of
 * Kysely would run statements on its connection still, so the database is asked, with a round trip more for each insert.
 */
export function kyselyExecutor<Tx extends KyselyTransaction>(
  db: KyselyDatabase<Tx>,
  compiledQuery: { readonly raw: RawQuery },
): Executor<Tx> {
  const probe = createTransactionProbe(remedy)
  const bind: Executor<Tx>['bind'] = async (trx) => {
    if (trx?.isTransaction !== true) throw noTransaction('The handle is no transaction of Kysely', remedy)
    const queries: Queries = {
      query: async (text, values = []) => {
        const { rows } = await execute(trx, compiledQuery.raw(text, [...values]))
        return rows as Row[]
      },
    }
    await probe(trx, queries)
    return queries
  }
  return {
    bind,
    transaction: (work) =>
      db.transaction().execute(async (trx) => {
        const result = await work(trx)
        // Kysely takes the COMMIT of a failed transaction for one; any statement in it is refused, though.
        await (await bind(trx)).query('select 1')
        return result
      }),
  }
}

async function execute(trx: KyselyTransaction, query: unknown): Promise<{ readonly rows: unknown[] }> {
  try {
    return await trx.executeQuery(query as never)
  } catch (error) {
    // Kysely from 0.29 on knows; its error has no code.
    if (!String((error as Error | null)?.message).startsWith('Transaction is already')) throw error
    throw noTransaction('The transaction has ended', remedy)
  }
}
