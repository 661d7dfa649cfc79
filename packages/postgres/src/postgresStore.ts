import type { InboxStore, OutboxWriter, RelayStore } from '@posthorn/outbox'
import { commitStatusReader } from './commitStatus.js'
import type { CommitStatusReader } from './commitStatus.js'
import type { Database } from './database.js'
import type { Executor } from './executors/executor.js'
import { pgExecutor } from './executors/pgExecutor.js'
import { pgliteExecutor } from './executors/pgliteExecutor.js'
import type { Pglite, PgliteTransaction } from './executors/pgliteExecutor.js'
import type { PgClient, PgPool } from './executors/pgTypes.js'
import { inboxStore } from './inboxStore.js'
import { normaliseStoreOptions } from './options.js'
import type { PostgresStoreOptions } from './options.js'
import { outboxWriter } from './outboxWriter.js'
import { pgDatabase } from './pgDatabase.js'
import { pgliteDatabase } from './pgliteDatabase.js'
import { relayStore } from './relayStore.js'

/** Outbox and inbox in PostgreSQL or PGlite: all three sides of a store, of which a process uses what it needs. */
export interface PostgresStore<Tx> extends OutboxWriter<Tx>, RelayStore, InboxStore<Tx>, CommitStatusReader<Tx> {}

/**
 * Makes the store; does no I/O, and throws a `ConfigurationError` with all problems. The pool or the PGlite stays the
 * caller's: `close` ends what the store itself has opened.
 */
export function createPostgresStore<Tx>(
  options: PostgresStoreOptions<Tx> & { readonly executor: Executor<Tx> },
): PostgresStore<Tx>
export function createPostgresStore(
  options: PostgresStoreOptions<never> & { readonly pool: PgPool },
): PostgresStore<PgClient>
export function createPostgresStore(
  options: PostgresStoreOptions<never> & { readonly pglite: Pglite },
): PostgresStore<PgliteTransaction>
export function createPostgresStore<Tx>(options: PostgresStoreOptions<Tx>): PostgresStore<Tx> {
  const normal = normaliseStoreOptions(options as PostgresStoreOptions<never>)
  const { pool, pglite } = options
  const database = pool === undefined ? pgliteDatabase(pglite as Pglite) : pgDatabase(pool, normal)
  // Without one it is the driver's, and so is Tx: the overloads say so.
  const own = pool === undefined ? pgliteExecutor(pglite as Pglite) : pgExecutor(pool)
  return storeOf(options.executor ?? (own as unknown as Executor<Tx>), database, normal)
}

function storeOf<Tx>(
  executor: Executor<Tx>,
  database: Database,
  options: ReturnType<typeof normaliseStoreOptions>,
): PostgresStore<Tx> {
  return {
    ...outboxWriter(executor, options),
    ...relayStore(database, options),
    ...inboxStore(executor, database, options),
    ...commitStatusReader(executor, database),
  }
}
