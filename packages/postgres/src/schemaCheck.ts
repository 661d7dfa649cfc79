import { OutboxError } from '@posthorn/core/adapter'
import type { Queries } from './database.js'
import { schemaVersion } from './sql/migrations.js'

/** A table of the outbox or inbox, and what one wants to do with it. */
export interface NeededRight {
  readonly table: string
  readonly right: 'select' | 'insert' | 'update' | 'delete'
}

/**
 * Resolves with the number of partitions; rejects with the remedy where the schema is missing, too old or too new, or a right
 * is missing. It asks so that nothing fails: a failed statement would end the caller's transaction.
 */
export async function checkSchema(
  queries: Queries,
  s: string,
  needed: readonly NeededRight[],
): Promise<{ readonly partitionCount: number }> {
  await checkPresence(queries, s)
  const [row] = await queries.query(`
select max(m.version)::text as version, max(m.oldest_client)::text as oldest_client,
  (select partition_count::text from ${s}.setting) as partition_count
from ${s}.migration m`)
  const version = Number(row?.['version'] ?? 0)
  const oldestClient = Number(row?.['oldest_client'] ?? 0)
  if (version < schemaVersion) throw wrongSchema(s, `has version ${version}, and this release needs ${schemaVersion}`)
  if (oldestClient > schemaVersion) {
    throw wrongSchema(
      s,
      `has version ${version}, which needs a newer release of Posthorn than this one (${schemaVersion})`,
    )
  }
  await checkRights(queries, s, needed)
  return { partitionCount: Number(row?.['partition_count']) }
}

async function checkPresence(queries: Queries, s: string): Promise<void> {
  // The names are looked up as rows: to_regclass fails where the schema may not be used.
  const [row] = await queries.query(
    `
select (n.oid is not null)::text as schema, coalesce(has_schema_privilege(n.oid, 'usage'), false)::text as usable,
  exists (select from pg_class c where c.relnamespace = n.oid and c.relname = 'migration')::text as migrated,
  coalesce((select bool_and(has_table_privilege(c.oid, 'select')) from pg_class c
    where c.relnamespace = n.oid and c.relname in ('migration', 'setting')), true)::text as readable,
  current_user::text as role
from (select 1) one left join pg_namespace n on n.nspname = $1`,
    [s.slice(1, -1)],
  )
  if (row?.['schema'] !== 'true') throw wrongSchema(s, 'does not exist')
  if (row['usable'] !== 'true') throw missingRight(`use the schema ${s}`, String(row['role']))
  if (row['migrated'] !== 'true') throw wrongSchema(s, 'has no tables of Posthorn')
  if (row['readable'] !== 'true') throw missingRight(`read ${s}.migration and ${s}.setting`, String(row['role']))
}

async function checkRights(queries: Queries, s: string, needed: readonly NeededRight[]): Promise<void> {
  if (needed.length === 0) return
  const columns = needed.map(
    ({ table, right }, index) => `has_table_privilege('${s}.${table}', '${right}')::text as r${index}`,
  )
  const [row] = await queries.query(`select current_user::text as role, ${columns.join(', ')}`)
  const missing = needed.filter((_, index) => row?.[`r${index}`] !== 'true')
  if (missing.length === 0) return
  const list = missing.map(({ table, right }) => `${right} on ${s}.${table}`).join(', ')
  throw missingRight(list, String(row?.['role']))
}

function wrongSchema(s: string, what: string): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_OUTBOX_SCHEMA',
    message: `The schema ${s} ${what}. Run migrate() with it, or correct the option \`schema\`.`,
  })
}

function missingRight(what: string, role: string): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_OUTBOX_RIGHTS',
    message: `The role ${role} may not: ${what}. Grant what grantSql() prints for what this process does.`,
  })
}
