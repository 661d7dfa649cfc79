import { EnvelopeValidationError } from '@posthorn/core'
import type { InboxKey, InboxStore, InboxVerdict } from '@posthorn/outbox'
import type { Database } from './database.js'
import { mapError, mapped } from './errorMapping.js'
import type { Executor } from './executors/executor.js'
import { quoted } from './options.js'
import type { NormalStoreOptions } from './options.js'
import { text, wholeNumberOf } from './rows.js'
import { checkSchema } from './schemaCheck.js'
import { inboxStatements } from './sql/inboxStatements.js'

const needed = [
  { table: 'inbox', right: 'insert' },
  { table: 'inbox', right: 'select' },
  { table: 'inbox_seal', right: 'select' },
  { table: 'inbox_retention', right: 'select' },
  { table: 'inbox_retention', right: 'insert' },
] as const

/** Rows of days without a partition of their own go so many at a time, each batch a transaction of its own. */
const forgetBatch = 5_000
/** One call ends, however much there is; the next goes on. */
const maxForgetBatches = 200

/** The side of consumers on PostgreSQL. */
export function inboxStore<Tx>(
  executor: Executor<Tx>,
  database: Database,
  options: NormalStoreOptions,
): InboxStore<Tx> {
  const s = quoted(options.schema)
  const sql = inboxStatements(s)
  const retentionMs = options.inboxRetentionMs
  let checked = false
  /** The upkeep of every service with this schema heeds our retention. */
  let kept = false
  return {
    transaction: (work) => transactionOf(executor, work),
    async remember(tx, keys) {
      refuseUnstorable(keys)
      return mapped(
        'Remembering messages in the inbox',
        async () => {
          const queries = await executor.bind(tx)
          if (keys.length === 0) return []
          if (!checked) await checkSchema(queries, s, needed)
          checked = true
          if (!kept) kept = (await queries.query(sql.keep, [retentionMs]))[0]?.['kept'] === 'true'
          const rows = await queries.query(sql.remember, [JSON.stringify(keys), retentionMs])
          return rows.map((row) => text(row['verdict']) as InboxVerdict)
        },
        'transaction',
      )
    },
    maintain: () =>
      mapped('Keeping the inbox small', async () => {
        const [row] = await database.query(sql.maintain, [retentionMs])
        for (let batch = 0; batch < maxForgetBatches; batch += 1) {
          const [forgotten] = await database.query(sql.forget, [retentionMs, forgetBatch])
          if (wholeNumberOf(forgotten?.['count']) < forgetBatch) break
        }
        return { created: wholeNumberOf(row?.['created']), dropped: wholeNumberOf(row?.['dropped']) }
      }),
  }
}

/** Errors of the work pass unwrapped: the retry policy has to see them. What else fails is the database's. */
async function transactionOf<Tx, Result>(executor: Executor<Tx>, work: (tx: Tx) => Promise<Result>): Promise<Result> {
  let thrown: { readonly error: unknown } | undefined
  try {
    return await executor.transaction(async (tx) => {
      try {
        return await work(tx)
      } catch (error) {
        thrown = { error }
        throw error
      }
    })
  } catch (error) {
    throw thrown === undefined ? mapError(error, 'The transaction') : thrown.error
  }
}

// With the flag u, the last range finds unpaired surrogates only.
// oxlint-disable-next-line no-control-regex
const unstorable = /[\u0000\ud800-\udfff]/u

/** Before anything is written: a statement that fails would end the caller's transaction. */
function refuseUnstorable(keys: readonly InboxKey[]): void {
  for (const { consumer, source, id, time } of keys) {
    const texts = [consumer, source, id]
    const problem = texts.includes('')
      ? 'An empty consumer, source or id would make different messages one'
      : texts.some((value) => unstorable.test(value))
        ? 'PostgreSQL keeps no text with NUL characters or unpaired surrogates'
        : time !== undefined && Number.isNaN(time.getTime())
          ? 'The time is none'
          : undefined
    if (problem === undefined) continue
    throw new EnvelopeValidationError({
      code: 'POSTHORN_INVALID_ENVELOPE',
      message: `${problem}; nothing was written.`,
      issues: [],
    })
  }
}
