import { boolean, optionProblems, OutboxError, refuseProblems, wholeNumber } from '@posthorn/core/adapter'
import type { OptionRule } from '@posthorn/core/adapter'
import type { Database, Queries } from './database.js'
import { mapped } from './errorMapping.js'
import type { Pglite } from './executors/pgliteExecutor.js'
import type { PgPool } from './executors/pgTypes.js'
import { isPglite, isPool, isSchemaName, quoted } from './options.js'
import { pgDatabase } from './pgDatabase.js'
import { pgliteDatabase } from './pgliteDatabase.js'
import { migrationIsolation, migrations, migrationTable, noteMigration, schemaVersion } from './sql/migrations.js'
import { uniqueIdIndexes, uniqueIdIndexNames } from './sql/outboxTables.js'

/** What a migration makes. */
export interface MigrateOptions {
  /** The schema for the tables; made if it is missing. @default 'posthorn' */
  readonly schema?: string
  /**
   * Partitions of the outbox, fixed for ever: so many relays can share the work. More spreads it more evenly and costs each
   * relay a little at every poll. @default 64
   */
  readonly partitionCount?: number
  /**
   * A unique index on the message id: whoever repeats a transaction with the same id, because its COMMIT got no answer, is told
   * `POSTHORN_OUTBOX_DUPLICATE` while the message still waits. Every insert pays for the index. It stays once made.
   * @default false
   */
  readonly uniqueIds?: boolean
}

/** What a migration has done. */
export interface MigrateResult {
  readonly version: number
  /** False when everything was there. */
  readonly changed: boolean
}

const rules: Readonly<Record<keyof MigrateOptions, OptionRule>> = {
  schema: isSchemaName,
  partitionCount: wholeNumber(1, 32_767),
  uniqueIds: boolean,
}

const timings = { timeoutMs: 30_000, keepAliveMs: 15_000 }

/**
 * Brings the schema to the version of this release, in one transaction: all of it or nothing. Idempotent; of processes that
 * start at once one does it, and the others wait. Rejects with `POSTHORN_OUTBOX_SCHEMA` when the database is newer, or has
 * another number of partitions than asked for.
 */
export async function migrate(database: PgPool | Pglite, options: MigrateOptions = {}): Promise<MigrateResult> {
  const problems = optionProblems('options', options, rules)
  const pool = isPool(database, 'database') === undefined
  if (!pool && isPglite(database, 'database') !== undefined) problems.push('give a Pool of pg, or a PGlite')
  refuseProblems('migrate', problems)
  const reached: Database = pool ? pgDatabase(database as PgPool, timings) : pgliteDatabase(database as Pglite)
  return mapped('The migration', async () => {
    if (await isUpToDate(reached, options)) return { version: schemaVersion, changed: false }
    return reached.transaction((queries) => migrateInside(queries, options))
  })
}

/** The statements for another migration tool, each with its reason: run them in one transaction, once. */
export function migrationSql(options: MigrateOptions = {}): string {
  refuseProblems('migrationSql', optionProblems('options', options, rules))
  const { schema = 'posthorn', partitionCount = 64, uniqueIds = false } = options
  const s = quoted(schema)
  const all = [
    ...migrationTable(s),
    ...migrations.flatMap((migration) => [
      ...migration.statements({ schema: s, partitionCount }),
      noteMigration(s, migration),
    ]),
    ...(uniqueIds ? uniqueIdIndexes(s) : []),
  ]
  return `${all.join(';\n\n')};\n`
}

/** A service may call `migrate` at its start with a role that may create nothing, once somebody else has migrated. */
async function isUpToDate(
  queries: Queries,
  { schema = 'posthorn', uniqueIds = false, ...rest }: MigrateOptions,
): Promise<boolean> {
  const s = quoted(schema)
  if (await isMissing(queries, `${s}.migration`)) return false
  const version = await versionOf(queries, s)
  await refuseOtherPartitions(queries, s, rest.partitionCount)
  return version === schemaVersion && (!uniqueIds || (await hasUniqueIds(queries, s)))
}

async function migrateInside(queries: Queries, options: MigrateOptions): Promise<MigrateResult> {
  const { schema = 'posthorn', partitionCount, uniqueIds = false } = options
  const s = quoted(schema)
  await queries.query(migrationIsolation)
  for (const statement of migrationTable(s)) await queries.query(statement)
  const before = await versionOf(queries, s)
  const pending = migrations.filter(({ version }) => version > before)
  for (const migration of pending) {
    const settings = { schema: s, partitionCount: partitionCount ?? 64 }
    for (const statement of migration.statements(settings)) await queries.query(statement)
    await queries.query(noteMigration(s, migration))
  }
  await refuseOtherPartitions(queries, s, partitionCount)
  const indexes = uniqueIds && !(await hasUniqueIds(queries, s)) ? uniqueIdIndexes(s) : []
  for (const statement of indexes) await queries.query(statement)
  return { version: schemaVersion, changed: pending.length + indexes.length > 0 }
}

/** Asked before they are made: "if not exists" locks writers out of the table, to find that there is nothing to do. */
async function hasUniqueIds(queries: Queries, s: string): Promise<boolean> {
  for (const name of uniqueIdIndexNames) if (await isMissing(queries, `${s}.${name}`)) return false
  return true
}

async function isMissing(queries: Queries, relation: string): Promise<boolean> {
  const [row] = await queries.query(`select (to_regclass('${relation}') is null)::text as missing`)
  return row?.['missing'] === 'true'
}

/** The version of the tables; 0 before the first. */
async function versionOf(queries: Queries, s: string): Promise<number> {
  const [row] = await queries.query(`select coalesce(max(version), 0)::text as version from ${s}.migration`)
  const version = Number(row?.['version'])
  if (version <= schemaVersion) return version
  throw new OutboxError({
    code: 'POSTHORN_OUTBOX_SCHEMA',
    message: `The schema ${s} has version ${version}; this release makes ${schemaVersion}. Nothing was changed: use a newer release.`,
    details: { version, expected: schemaVersion },
  })
}

async function refuseOtherPartitions(queries: Queries, s: string, wanted: number | undefined): Promise<void> {
  if (wanted === undefined) return
  const [row] = await queries.query(`select partition_count::text as count from ${s}.setting`)
  const count = Number(row?.['count'])
  if (row === undefined || count === wanted) return
  throw new OutboxError({
    code: 'POSTHORN_OUTBOX_SCHEMA',
    message:
      `The schema ${s} has ${count} partitions, not ${wanted}. With another number, keys would hash elsewhere and overtake ` +
      'themselves: leave partitionCount out, or use another schema and let the old one run empty.',
    details: { partitionCount: count, wanted },
  })
}
