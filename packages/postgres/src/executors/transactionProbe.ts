import { randomUUID } from 'node:crypto'
import type { Queries } from '../database.js'
import { noTransaction } from './executor.js'

const probe = `select current_setting('posthorn.transaction', true) as before,
  set_config('posthorn.transaction', $1, true) as after`

/**
 * Finds out by SQL whether statements go into a transaction, and always the same one, for libraries that do not tell: a
 * setting that is local to a transaction is gone with it (PostgreSQL: `set_config`), and in none it is gone after one
 * statement. One round trip more for each use, two for the first of a transaction.
 */
export function createTransactionProbe(remedy: string): (tx: object, queries: Queries) => Promise<void> {
  const tokens = new WeakMap<object, string>()
  return async (tx, queries) => {
    const token = tokens.get(tx) ?? randomUUID()
    const isInside = async (): Promise<boolean> => (await queries.query(probe, [token]))[0]?.['before'] === token
    // A savepoint that is rolled back takes the setting with it, so handles that are known are asked twice too.
    if (!(tokens.has(tx) && (await isInside()))) {
      await isInside()
      if (!(await isInside())) {
        throw noTransaction('The handle is in no transaction, or its transaction has ended', remedy)
      }
    }
    tokens.set(tx, token)
  }
}
