/*
 * What is used of `pg`, in our own words: users need not install its types, and any release of pg 8 fits.
 */

/** A connection of `pg`: a `Client`, or what `pool.connect()` gives. */
export interface PgClient {
  query(text: string, values?: unknown[]): Promise<PgResult>
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** What `pg` answers. */
export interface PgResult {
  readonly rows: unknown[]
  /** The command as PostgreSQL confirms it: a COMMIT of a transaction that had failed is a ROLLBACK. */
  readonly command: string
}

/** A connection that goes back to its pool. */
export interface PgPoolClient extends PgClient {
  release(destroy?: Error | boolean): void
}

/** A pool of `pg`. */
export interface PgPool {
  connect(): Promise<PgPoolClient>
  query(config: { text: string; values: unknown[] }): Promise<{ readonly rows: unknown[] }>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: PgClient) => void): unknown
  listenerCount(event: string): number
  listeners(event: string): readonly unknown[]
  readonly totalCount: number
}
