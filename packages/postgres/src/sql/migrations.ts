import { inboxForgetFunction, inboxMaintainFunction, inboxRememberFunction, inboxTables } from './inboxTables.js'
import { discardFunction, leaseRows, outboxTables, releaseDueFunction } from './outboxTables.js'

/** What a migration is told. */
export interface MigrationSettings {
  /** The schema's name, quoted. */
  readonly schema: string
  readonly partitionCount: number
}

/** One step of the schema; those of before are never changed. */
export interface Migration {
  readonly version: number
  /** The oldest version that releases of Posthorn may have been written for and still work with this one. */
  readonly oldestClient: number
  readonly statements: (settings: MigrationSettings) => readonly string[]
}

export const migrations: readonly Migration[] = [
  {
    version: 1,
    oldestClient: 1,
    statements: ({ schema: s, partitionCount }) => [
      `-- The number of partitions is fixed: with another one a key would hash to another partition, and overtake itself.
create table ${s}.setting (
  one boolean primary key default true check (one),
  partition_count integer not null check (partition_count between 1 and 32767)
)`,
      `insert into ${s}.setting (partition_count) values (${partitionCount})`,
      ...outboxTables(s),
      leaseRows(s, partitionCount),
      releaseDueFunction(s),
      discardFunction(s),
      ...inboxTables(s),
      inboxRememberFunction(s),
      inboxMaintainFunction(s),
      inboxForgetFunction(s),
      `-- Functions are open to everybody unless that is taken back.
revoke all on function ${s}.outbox_release_due(smallint[], bigint[], integer), ${s}.outbox_discard(smallint, text),
  ${s}.inbox_remember(jsonb, double precision), ${s}.inbox_maintain(double precision, out integer, out integer),
  ${s}.inbox_forget(double precision, integer) from public`,
      `-- The inbox can be used at once. Nothing is old yet, and how long it is kept is for the services to say.
select ${s}.inbox_maintain(0)`,
    ],
  },
]

/** The version that this release works with. */
export const schemaVersion: number = Math.max(...migrations.map(({ version }) => version))

/**
 * Before the first statement: with a snapshot of before the wait for the lock, which a role's default_transaction_isolation may
 * ask for, what another process has made meanwhile would not be seen, and be made again.
 */
export const migrationIsolation = 'set transaction isolation level read committed'

/** Where versions are noted; the lock before it lets one of several processes migrate, while the others wait. */
export const migrationTable = (s: string): readonly string[] => [
  `-- One process migrates at a time; the lock goes with the transaction.
select pg_advisory_xact_lock(hashtextextended('posthorn.migrate', 0))`,
  `-- Not "create schema if not exists": that needs the right to create schemas even where it exists.
do $$ begin if to_regnamespace('${s.replaceAll("'", "''")}') is null then create schema ${s}; end if; end $$`,
  `create table if not exists ${s}.migration (
  version integer primary key,
  oldest_client integer not null,
  applied_at timestamptz not null default now()
)`,
]

export const noteMigration = (s: string, { version, oldestClient }: Migration): string =>
  `insert into ${s}.migration (version, oldest_client) values (${version}, ${oldestClient})`
