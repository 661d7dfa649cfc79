/* The door for services that use Drizzle: `@posthorn/postgres/drizzle`. */
import { noTransaction } from './executors/executor.js'
import type { Executor } from './executors/executor.js'
import { bindPgClient } from './executors/pgExecutor.js'
import { bindPgliteTransaction } from './executors/pgliteExecutor.js'
import type { PgliteTransaction } from './executors/pgliteExecutor.js'
import type { PgClient } from './executors/pgTypes.js'
import { createTransactionProbe } from './executors/transactionProbe.js'

const remedy = 'Give the `tx` that the callback of `db.transaction` gets, while that callback runs.'

/** A database of Drizzle, over node-postgres or PGlite: what is used of it. */
export interface DrizzleDatabase<Tx> {
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>
}

type TransactionOf<Database> = Database extends { transaction(work: (tx: infer Tx) => Promise<unknown>): unknown }
  ? Tx
  : never

/**
 * Entries are written with a transaction of Drizzle: the driver's own connection is taken from it, which tells whether it is
 * in a transaction. `db` itself is refused, and a `tx` whose callback has ended.
 */
export function drizzleExecutor<Database extends { transaction: unknown }>(
  db: Database,
): Executor<TransactionOf<Database>> {
  const probe = createTransactionProbe(remedy)
  const database = db as unknown as DrizzleDatabase<TransactionOf<Database>>
  const bind: Executor<TransactionOf<Database>>['bind'] = async (tx) => {
    const client = clientOf(tx)
    if (client === undefined) throw noTransaction('The handle is no transaction of Drizzle', remedy)
    // A transaction of PGlite says itself whether it is over; a client of pg does not know the word.
    return typeof (client as Partial<PgliteTransaction>).closed === 'boolean'
      ? bindPgliteTransaction(client as PgliteTransaction)
      : bindPgClient(client as PgClient, probe)
  }
  return {
    bind,
    transaction: (work) =>
      database.transaction(async (tx) => {
        const result = await work(tx)
        // Drizzle takes the COMMIT of a failed transaction for one; any statement in it is refused, though.
        await (await bind(tx)).query('select 1')
        return result
      }),
  }
}

/** Drizzle's session holds the connection that the transaction was begun on; `db`'s holds the pool. */
function clientOf(tx: unknown): object | undefined {
  const { session } = (tx ?? {}) as { session?: { client?: unknown } }
  return typeof session?.client === 'object' && session.client !== null ? session.client : undefined
}
