import { ConfigurationError, boolean, object, optionProblems, wholeNumber } from '@posthorn/core/adapter'
import type { OptionRule } from '@posthorn/core/adapter'
import type { Executor } from './executors/executor.js'
import type { Pglite } from './executors/pgliteExecutor.js'
import type { PgPool } from './executors/pgTypes.js'

/** Where a store keeps its rows, and how it behaves. Exactly one of `pool` and `pglite` is given. */
export interface PostgresStoreOptions<Tx = unknown> {
  /**
   * A pool of `pg`, for PostgreSQL 15 or later. The store takes connections for one statement each and never ends the pool.
   * Relay and inbox need at least one connection each while the handlers' transactions have theirs. @default none
   */
  readonly pool?: PgPool
  /** A database of PGlite, in the process. It has one connection: everything waits for everything. @default none */
  readonly pglite?: Pglite
  /**
   * Whose transactions entries are written with: `drizzleExecutor(db)`, `kyselyExecutor(db)`, `prismaExecutor(client)`, or one
   * of your own. Without it the handle is the driver's own: a client of `pg`, a transaction of PGlite.
   * @default the driver's
   */
  readonly executor?: Executor<Tx>
  /** The schema that `migrate` was given: small letters, digits and `_`, at most 48. Two outboxes need two. @default 'posthorn' */
  readonly schema?: string
  /**
   * Tell relays of new entries at once (`NOTIFY`, and `LISTEN` on a connection of its own). Without it they are found by
   * polling, and so they are behind PgBouncer in transaction mode, where nobody hears: switching it off saves telling. Switch it
   * off too where so many transactions commit at once that the lock that PostgreSQL takes for it while committing hurts.
   * @default true
   */
  readonly notify?: boolean
  /**
   * Lock each partition key until the transaction ends, before its entry is stored: entries of one key then stand in the order
   * in which their transactions commit, also where these do not wait for each other anyway. Transactions with the same key
   * wait; with several keys in several calls they can deadlock, and one is rolled back. @default false
   */
  readonly lockKeys?: boolean
  /**
   * How long the inbox recognises a message after it was received, in milliseconds. Longer recognises later copies and keeps
   * more rows; messages whose own time is further back are told `expired`. Rows are kept for the longest that any service with this
   * schema has asked for. @default 604_800_000 (7 days)
   */
  readonly inboxRetentionMs?: number
  /**
   * How old a message may be when it comes again, in milliseconds: the broker's retention, or how late dead letters are
   * replayed, whichever is longer. A shorter `inboxRetentionMs` is refused. @default 0, no check
   */
  readonly replayHorizonMs?: number
  /** Entries that `stats` counts at most; counting more takes longer, and alerts need no more. @default 100_000 */
  readonly maxDepthCount?: number
  /**
   * How long a statement of the store's own may take, in milliseconds, the wait for a connection included. Shorter notices a
   * dead database sooner; too short fails on a busy one. @default 30_000
   */
  readonly timeoutMs?: number
  /**
   * How often the listening connection is asked whether it lives, in milliseconds. Shorter notices a dropped one sooner; each
   * costs a round trip. @default 15_000
   */
  readonly keepAliveMs?: number
}

/** The options with their defaults. */
export interface NormalStoreOptions {
  readonly schema: string
  readonly notify: boolean
  readonly lockKeys: boolean
  readonly inboxRetentionMs: number
  readonly maxDepthCount: number
  readonly timeoutMs: number
  readonly keepAliveMs: number
}

/** A name that means the same with quotes and without, and leaves room for the names that are made of it. */
export const isSchemaName: OptionRule = (value, path) =>
  typeof value === 'string' && /^[a-z_][a-z0-9_]{0,47}$/.test(value)
    ? undefined
    : `${path} must be 1 to 48 small letters, digits and _, and begin with no digit`

export const isPool: OptionRule = (value, path) =>
  hasMethods(value, 'connect', 'query') && typeof (value as { totalCount?: unknown }).totalCount === 'number'
    ? undefined
    : `${path} must be a Pool of pg`

export const isPglite: OptionRule = (value, path) =>
  hasMethods(value, 'query', 'transaction', 'listen') ? undefined : `${path} must be a PGlite`

const isExecutor: OptionRule = (value, path) =>
  hasMethods(value, 'bind', 'transaction') ? undefined : `${path} must have bind() and transaction()`

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  if (object(value, '') !== undefined) return false
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}

const rules: Readonly<Record<keyof PostgresStoreOptions, OptionRule>> = {
  pool: isPool,
  pglite: isPglite,
  executor: isExecutor,
  schema: isSchemaName,
  notify: boolean,
  lockKeys: boolean,
  inboxRetentionMs: wholeNumber(1),
  replayHorizonMs: wholeNumber(0),
  maxDepthCount: wholeNumber(1),
  timeoutMs: wholeNumber(1),
  keepAliveMs: wholeNumber(1),
}

const defaults: NormalStoreOptions = {
  schema: 'posthorn',
  notify: true,
  lockKeys: false,
  inboxRetentionMs: 604_800_000,
  maxDepthCount: 100_000,
  timeoutMs: 30_000,
  keepAliveMs: 15_000,
}

/** The options with their defaults; throws one `ConfigurationError` with all problems. */
export function normaliseStoreOptions(options: PostgresStoreOptions<never>): NormalStoreOptions {
  const problems = optionProblems('options', options, rules)
  const given: PostgresStoreOptions<never> = options ?? {}
  if ((given.pool === undefined) === (given.pglite === undefined)) {
    problems.push('exactly one of options.pool and options.pglite is required')
  }
  const normal = withDefaults(given)
  const horizonMs = given.replayHorizonMs ?? 0
  if (normal.inboxRetentionMs < horizonMs) {
    problems.push(
      `options.inboxRetentionMs (${normal.inboxRetentionMs}) must be at least options.replayHorizonMs (${horizonMs}): ` +
        'a message that comes again later than it is remembered is handled twice',
    )
  }
  if (problems.length > 0) throw new ConfigurationError('createPostgresStore', problems)
  return normal
}

function withDefaults(given: PostgresStoreOptions<never>): NormalStoreOptions {
  return {
    schema: given.schema ?? defaults.schema,
    notify: given.notify ?? defaults.notify,
    lockKeys: given.lockKeys ?? defaults.lockKeys,
    inboxRetentionMs: given.inboxRetentionMs ?? defaults.inboxRetentionMs,
    maxDepthCount: given.maxDepthCount ?? defaults.maxDepthCount,
    timeoutMs: given.timeoutMs ?? defaults.timeoutMs,
    keepAliveMs: given.keepAliveMs ?? defaults.keepAliveMs,
  }
}

/** A schema's name as SQL has it: some are words of SQL. */
export const quoted = (schema: string): string => `"${schema}"`
