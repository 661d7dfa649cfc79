import type { Queries, Row } from '../database.js'
import { failedTransaction, noTransaction } from './executor.js'
import type { Executor } from './executor.js'

const remedy = 'Give the transaction that the callback of `pglite.transaction` gets, while that callback runs.'

/** A transaction of PGlite: what the callback of `pglite.transaction` gets. */
export interface PgliteTransaction {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>
  readonly closed: boolean
}

/** A database of PGlite. */
export interface Pglite {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>
  transaction<Result>(work: (tx: PgliteTransaction) => Promise<Result>): Promise<Result>
  listen(channel: string, onMessage: (payload: string) => void): Promise<() => Promise<void>>
  readonly ready: boolean
}

/** Transactions of PGlite. */
export function pgliteExecutor(pglite: Pglite): Executor<PgliteTransaction> {
  return {
    bind: async (tx) => bindPgliteTransaction(tx),
    transaction: (work) =>
      pglite.transaction(async (tx) => {
        const result = await work(tx)
        if (tx.closed) throw failedTransaction()
        // PGlite takes the COMMIT of a failed transaction for one; any statement in it is refused, though.
        await tx.query('select 1').catch((error: unknown) => {
          throw failedTransaction(error)
        })
        return result
      }),
  }
}

/** Statements in a transaction of PGlite; throws for PGlite itself, and when the transaction has ended. */
export function bindPgliteTransaction(tx: PgliteTransaction): Queries {
  const { query, closed, ready } = (tx ?? {}) as Partial<PgliteTransaction & Pglite>
  if (typeof query !== 'function' || typeof closed !== 'boolean') {
    throw noTransaction('The handle is no transaction of PGlite', remedy)
  }
  if (ready !== undefined) throw noTransaction('PGlite itself is no transaction', remedy)
  if (closed) throw noTransaction('The transaction has ended', remedy)
  return { query: async (text, values = []) => (await tx.query(text, [...values])).rows as Row[] }
}
