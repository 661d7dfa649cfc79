/* What services write, with their own transaction. */

/** What is to be inserted. */
export interface InsertShape {
  readonly nowCount: number
  readonly laterCount: number
  /** Where relays listen; undefined for nobody. */
  readonly channel: string | undefined
}

const columns = 'partition, event_id, destination, key, type, content_type, body, headers, must_route'

/** The channel of a schema; a name that needs no quotes, with an empty payload: a hint that is lost costs one poll. */
export const channelOf = (schema: string): string => `${schema}_outbox`

/**
 * One statement for all entries, the notification included: one round trip. Rows get their ids in the order of the list.
 * PostgreSQL sends one notification for a transaction, however often it is asked, and when it commits. What returns nothing is
 * cast to text: Prisma reads no column of type void.
 */
export function insertStatement(s: string, { nowCount, laterCount, channel }: InsertShape): string {
  const inserts = [
    ...(nowCount > 0 ? [`insert into ${s}.outbox (${columns}) values ${placeholders(1, nowCount, 9)}`] : []),
    ...(laterCount > 0
      ? [
          `insert into ${s}.outbox_scheduled (${columns}, due_at) values ${placeholders(1 + nowCount * 9, laterCount, 10)}`,
        ]
      : []),
  ]
  const [only] = inserts
  // Nobody needs to be told of what is due later.
  const notify = channel !== undefined && nowCount > 0 ? `select pg_notify('${channel}', '')::text` : undefined
  if (notify === undefined && inserts.length === 1 && only !== undefined) return only
  // For one row, which is the usual number, half the cost of a common table expression.
  if (nowCount === 1 && only !== undefined && inserts.length === 1)
    return `${only} returning pg_notify('${channel}', '')::text`
  const parts = inserts.map((insert, index) => `stored${index} as (${insert})`)
  return `with ${parts.join(', ')} ${notify ?? 'select 1'}`
}

function placeholders(first: number, rows: number, width: number): string {
  return Array.from({ length: rows }, (_row, row) => {
    const places = Array.from({ length: width }, (_column, column) => `$${first + row * width + column}`)
    return `(${places.join(',')})`
  }).join(',')
}

/**
 * $1 schema, $2 keys as a JSON list. Locked in one order, whatever the order of the entries, so that two transactions with
 * the same keys wait instead of deadlocking. A statement of its own: ids must be given after the locks are held.
 */
export const lockKeysStatement = `
select pg_advisory_xact_lock(lock)::text
from (
  select distinct hashtextextended('posthorn.key:' || $1::text || ':' || key, 0) as lock
  from jsonb_array_elements_text($2::jsonb) key order by 1
) locks`
