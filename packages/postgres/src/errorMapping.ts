import { OutboxError } from '@posthorn/core/adapter'
import type { ErrorCode } from '@posthorn/core/adapter'
import { failedTransaction } from './executors/executor.js'

/** What a state of SQL means here: the code, and what to do. */
interface Meaning {
  readonly code: ErrorCode
  readonly next: string
}

const schema: Meaning = {
  code: 'POSTHORN_OUTBOX_SCHEMA',
  next: 'Run migrate() with this schema, or correct the option `schema`.',
}
const rights: Meaning = {
  code: 'POSTHORN_OUTBOX_RIGHTS',
  next: 'Grant the role of the connection what grantSql() prints.',
}
const unavailable: Meaning = {
  code: 'POSTHORN_OUTBOX_UNAVAILABLE',
  next: 'Check that the database runs and can be reached; repeat it then.',
}

/** States of SQL (PostgreSQL, appendix A), the exact ones before their classes. */
const meanings: Readonly<Record<string, Meaning>> = {
  '42P01': schema, // no such table
  '42703': schema, // no such column
  '42883': schema, // no such function
  '3F000': schema, // no such schema
  '3D000': schema, // no such database
  '42501': rights, // not allowed
  '28': rights, // who are you
  '08': unavailable, // the connection
  '57': unavailable, // shut down, starting, cancelled
  '53': unavailable, // no space, no memory, too many connections
  '58': unavailable, // the server's disk
  '25006': unavailable, // a standby: after a failover it takes a while until connections lead to the new primary
}

/** These the caller of a transaction repeats by its own policy, so they stay what they are; alone, they are an outage. */
const conflicts = new Set(['40001', '40P01', '55P03'])

const connectionErrors = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH)/
// pg gives these without a code.
const connectionMessages =
  /^(Connection terminated|timeout exc|Query read timeout|Client has encountered|Cannot use a pool)/
const pgliteClosed = /^PGlite is clos(ed|ing)/

/** Where a failure happened: with a caller's transaction, or on connections of the store's own. */
export type FailurePlace = 'transaction' | 'store'

/** The error with a code of ours where the table has one; any other as it is. Our own pass through. */
export function mapError(error: unknown, what: string, place: FailurePlace = 'store'): unknown {
  if (error instanceof OutboxError) return error
  if ((error as { code?: unknown } | null)?.code === '25P02') return failedTransaction(error)
  const meaning = meaningOf(error, place)
  if (meaning === undefined) return error
  const { code = 'no code', message = String(error) } = (error ?? {}) as { code?: string; message?: string }
  return new OutboxError({
    code: meaning.code,
    message: `${what} failed (${code}: ${message}). ${meaning.next}`,
    cause: error,
  })
}

function meaningOf(error: unknown, place: FailurePlace): Meaning | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code === 'string') {
    if (code === '23505') return duplicateOf(error)
    if (conflicts.has(code)) return place === 'store' ? unavailable : undefined
    if (connectionErrors.test(code)) return unavailable
    return meanings[code] ?? (code.length === 5 ? meanings[code.slice(0, 2)] : undefined)
  }
  if (typeof message !== 'string') return undefined
  return connectionMessages.test(message) || pgliteClosed.test(message) ? unavailable : undefined
}

function duplicateOf(error: unknown): Meaning | undefined {
  const { constraint } = error as { constraint?: unknown }
  if (constraint !== 'outbox_event_id' && constraint !== 'outbox_scheduled_event_id') return undefined
  return {
    code: 'POSTHORN_OUTBOX_DUPLICATE',
    next: 'The transaction that stored it was committed: take it for done, or choose another id.',
  }
}

/** Runs the work, and rejects with what `mapError` makes of its failure. */
export async function mapped<Result>(
  what: string,
  work: () => Promise<Result>,
  place: FailurePlace = 'store',
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw mapError(error, what, place)
  }
}
