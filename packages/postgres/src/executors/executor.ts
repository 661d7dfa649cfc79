import { OutboxError } from '@posthorn/core/adapter'
import type { Queries } from '../database.js'

/**
 * Makes the transactions of one library usable: what a library must do so that entries are written with the caller's
 * transaction. Those of `pg` and PGlite are built in; `@posthorn/postgres/drizzle`, `/kysely` and `/prisma` have others.
 */
export interface Executor<Tx> {
  /**
   * Statements inside the caller's transaction. Rejects with `POSTHORN_NO_TRANSACTION` for a handle that is in none, or in one
   * that has ended; asked before each use, since a transaction ends between two.
   */
  bind(tx: Tx): Promise<Queries>
  /**
   * Begins, gives the handle to the work, commits; rolls back when the work rejects, and rejects with its error. Rejects too
   * when the transaction had failed, so that the COMMIT was none.
   */
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>
}

/** Says which handle would have been right. */
export function noTransaction(what: string, remedy: string): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_NO_TRANSACTION',
    message: `${what}: nothing was written. ${remedy}`,
  })
}

/** The transaction failed before, so the database refuses everything in it and will roll it back. */
export function failedTransaction(cause?: unknown): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_TRANSACTION_FAILED',
    message:
      'A statement of this transaction failed before, so PostgreSQL has rolled it back, whatever was called after that. ' +
      'Let the error of that statement through, or put a savepoint before it.',
    ...(cause === undefined ? {} : { cause }),
  })
}
