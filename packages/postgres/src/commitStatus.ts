import type { Database } from './database.js'
import { mapped } from './errorMapping.js'
import type { Executor } from './executors/executor.js'

/**
 * What became of a transaction. Undefined when the database cannot tell: it has forgotten one that is so old, or it has crashed
 * since, and may have given the number to another transaction. A row that the transaction wrote, or did not, tells it then.
 */
export type CommitStatus = 'committed' | 'aborted' | 'in progress' | undefined

/** Tells a COMMIT that got no answer from one that failed. */
export interface CommitStatusReader<Tx> {
  /** Names the transaction for `commitStatus`; to be asked for before its COMMIT and kept. */
  transactionId(tx: Tx): Promise<string>
  /** What became of the transaction, asked on another connection. `in progress`: ask again shortly. */
  commitStatus(transactionId: string): Promise<CommitStatus>
}

/**
 * The life of the server from one crash to the next. Numbers of transactions that have not committed are not on disk, so after
 * a crash they are given again: PostgreSQL's `pg_xact_status` then answers for somebody else. Its statistics begin anew with
 * every recovery, also where the postmaster lived on, and everybody may read since when they count.
 */
const life = `(select coalesce(extract(epoch from stats_reset)::text, '') from pg_stat_archiver)`

/** Not asked after a crash: a number that was not given again yet is an error. */
const statusOf = `select case when ${life} = $2 then pg_xact_status($1::xid8) end as status`

/** Reads the fate of transactions (PostgreSQL: `pg_current_xact_id`, `pg_xact_status`). */
export function commitStatusReader<Tx>(executor: Executor<Tx>, database: Database): CommitStatusReader<Tx> {
  return {
    transactionId: (tx) =>
      mapped(
        'Asking for the number of the transaction',
        async () => {
          const queries = await executor.bind(tx)
          const [row] = await queries.query(`select pg_current_xact_id()::text || '@' || ${life} as id`)
          return String(row?.['id'])
        },
        'transaction',
      ),
    commitStatus: (transactionId) =>
      mapped('Asking what became of the transaction', async () => {
        const [number = '', lived = ''] = transactionId.split('@')
        const [row] = await database.query(statusOf, [number, lived])
        return (row?.['status'] ?? undefined) as CommitStatus
      }),
  }
}
