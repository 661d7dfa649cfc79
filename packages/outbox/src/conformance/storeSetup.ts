import type { InboxStore, OutboxWriter, RelayStore } from '../ports.js'

/** What the suite must know of a store. */
export interface StoreSetup<Tx> {
  /** A new, empty store that shares nothing with those before it; prepared, with at least four partitions. */
  readonly open: (options: OpenStoreOptions) => Promise<OpenStore<Tx>>
  /**
   * Two transactions can be open at once, and reads go on beside them; false for a database with one connection, which
   * leaves the cases out that need it. @default true
   */
  readonly hasConcurrentTransactions?: boolean
  /** `listen` hears of new entries; false asserts that it says so by giving undefined. @default true */
  readonly listens?: boolean
  /** Older than any retention of the store's inbox. @default 2001-01-01T00:00:00Z */
  readonly longAgo?: Date
  /** How long things take with this store. */
  readonly timing?: Partial<StoreTiming>
}

/** What a case needs of its store. */
export interface OpenStoreOptions {
  /** The id of the first entry; undefined: whatever it is. */
  readonly firstId: bigint | undefined
}

/** A store, and what a case does beside it. */
export interface OpenStore<Tx> {
  readonly writer: OutboxWriter<Tx>
  readonly relays: RelayStore
  readonly inbox: InboxStore<Tx>
  begin(): Promise<StoreTransaction<Tx>>
  /** Handles that are in no transaction, such as a pool, or a connection that has begun none. */
  readonly outside: readonly OutsideHandle<Tx>[]
  /** Removes the store; called once, when the case is over. */
  close(): Promise<void>
}

/** A transaction that a case ends itself. */
export interface StoreTransaction<Tx> {
  readonly tx: Tx
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A handle that must be refused. */
export interface OutsideHandle<Tx> {
  readonly name: string
  readonly handle: Tx
}

/** How long things take, in milliseconds. The defaults suit a database on the same machine. */
export interface StoreTiming {
  /** Leases that are to run out. Shorter is quicker, and a busy machine may lose them too early. @default 400 */
  readonly leaseMs: number
  /** How long a case waits for what must come. Only failing cases take so long. @default 20_000 */
  readonly waitMs: number
  /** After so long a case is given up. @default 60_000 */
  readonly caseMs: number
}
