import type { InboxStore, OutboxWriter, RelayStore } from '@posthorn/outbox'

/** Runs one statement: what a client of `pg` and a transaction of PGlite have in common, and all that the shop needs. */
export interface Queries {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>
}

/** Outbox and inbox of one service, whose transactions the service uses for its own tables too. */
export interface ShopStore extends OutboxWriter<Queries>, RelayStore, InboxStore<Queries> {}

/** What belongs to one service: a schema of its own, with its tables, its outbox and its inbox. */
export interface ServiceDatabase extends Queries {
  /** The schema as SQL has it. */
  readonly schema: string
  readonly store: ShopStore
}

/** The tables of a service in its schema; running the statements again changes nothing. */
export type Tables = (schema: string) => string

export const databaseNames = ['pglite', 'postgres'] as const
export type DatabaseName = (typeof databaseNames)[number]

/** One database server, or one PGlite, with a schema for each service. */
export interface Databases extends Queries {
  readonly name: DatabaseName
  /** Where other processes reach it; undefined for what lives in this one. */
  readonly url: string | undefined
  /** Makes the schema where it is missing, with the tables, an outbox and an inbox. */
  open(schema: string, tables: Tables): Promise<ServiceDatabase>
  /**
   * Drops the schemas of this name and a suffix at `release()`; and now those of earlier runs that were killed: a lock of the
   * session, which dies with its process, says which are in use.
   */
  claim(name: string): Promise<{ release(): Promise<void> }>
  close(): Promise<void>
}
