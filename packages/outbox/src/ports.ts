/*
 * Everything that a store implements, and nothing else. A store keeps rows; the package around it builds messages, runs the
 * relay and wraps handlers. Times are the database's: no clock of a process decides who owns what (a clock that is ten
 * minutes off would steal leases, or keep them).
 */
import type { WireMessage } from '@posthorn/core/adapter'

/** A finished message on its way into the outbox: the very bytes that the broker will get. */
export interface NewEntry {
  readonly destination: string
  /** Hop headers hold the trace context of the place that published, not of the relay. */
  readonly message: WireMessage
  /** Nobody receiving it is a failure (a command); otherwise unrouted is done. */
  readonly mustRoute: boolean
  /** Not handed to the broker before this time of the database. */
  readonly notBefore?: Date
}

/** A stored message. Rows of one partition key share a partition, and stand there in the order of their ids. */
export interface OutboxEntry extends NewEntry {
  readonly partition: number
  /** Rises within a partition in the order of inserting, which for transactions that wait for each other is that of committing. */
  readonly id: bigint
  readonly createdAt: Date
  /** How often it failed for a reason of its own. */
  readonly attempts: number
}

/** A partition that one relay owns. The fence rises with every change of owner. */
export interface Lease {
  readonly partition: number
  readonly fence: bigint
}

/** What a relay learns when it renews. */
export interface LeaseView {
  /** All that this relay owns now. */
  readonly leases: readonly Lease[]
  /** How many it should own, so that the living relays have about the same; what is above goes back once it is drained. */
  readonly share: number
  /** Relays alive, this one included. */
  readonly relays: number
  /** In how many milliseconds the next message with `notBefore` of these partitions is due; undefined without any. */
  readonly nextDueMs: number | undefined
}

/** What keeps order: the entries of one key, handed over one after the other. */
export interface EntryKey {
  readonly partition: number
  /** The partition key; for a message without one, its id. */
  readonly key: string
}

/** Why an entry could not be handed over. */
export interface EntryFailure {
  readonly code: string
  readonly message: string
}

/** When a failing entry is tried again, and when its key is parked. */
export interface ParkPolicy {
  readonly maxAttempts: number
  readonly retryAfterMs: number
}

/** What a failure has led to. */
export interface FailureVerdict {
  /** Of this entry; 0 when the failure was not counted. */
  readonly attempts: number
  readonly parked: boolean
}

/** A key that waits for an operator: its first entry failed for a reason of its own, and those behind it wait. */
export interface ParkedKey extends EntryKey {
  /** The entry that failed. */
  readonly entryId: bigint
  readonly messageId: string
  readonly destination: string
  readonly type: string
  readonly attempts: number
  readonly failure: EntryFailure
  readonly parkedAt: Date
}

/** What an operator decided about a parked key. */
export type ParkedDecision =
  /** Try its first entry again, attempts counted from zero. */
  | 'retry'
  /** Delete the entry that failed, and go on with the next of the key. */
  | 'skip'
  /** Delete every entry of the key that is there now. */
  | 'discard'

/** Figures for health, metrics and alerts. */
export interface OutboxStats {
  /** Entries that wait, those with a time to come included. Above `depthLimit` it is that limit. */
  readonly depth: number
  /** Age of the oldest entry that is due, in milliseconds of the database's clock; 0 when there is none. */
  readonly oldestMs: number
  readonly parkedKeys: number
  readonly scheduled: number
  /** Deleted entries that the database still keeps, as it estimates; without it, the store cannot tell. */
  readonly deadRows?: number
  /**
   * How many transactions have begun since the oldest that anybody in the database holds open: what was deleted since then cannot be
   * cleared away. Without it, the store cannot tell.
   */
  readonly horizonAge?: number
}

/** A connection that hears of new entries. A hint and no more: the relay polls besides. */
export interface Listener {
  close(): Promise<void>
}

/** What hears of hints. */
export interface ListenerEvents {
  onHint(): void
  /** The connection broke: hints may have been missed. Called at most once; nothing comes after it. */
  onLost(error: unknown): void
}

/** The side of services: entries are written with the caller's transaction. */
export interface OutboxWriter<Tx> {
  /**
   * Stores the entries as part of the transaction: committed with it, gone with it. Throws an `OutboxError` with
   * `POSTHORN_NO_TRANSACTION` for a handle that is in none (a pool, a connection outside a transaction, one that has ended),
   * before anything is written; an empty message id is refused too (`POSTHORN_INVALID_ENVELOPE`). Entries of one key keep
   * the order of the list.
   */
  insert(tx: Tx, entries: readonly NewEntry[]): Promise<void>
}

/** The side of relays: all of it on connections of the store's own, each call one short transaction. */
export interface RelayStore {
  /** Rejects with an `OutboxError` that names the remedy: no schema, one too old or too new, no rights. Idempotent. */
  prepare(): Promise<{ readonly partitionCount: number }>
  /**
   * Renews what `relay` owns for `leaseMs` and takes what is free up to its share, in one statement. Never takes anything away:
   * a partition that is above the share may have messages under way, so the relay drains it first and then gives it back. A
   * lease that ran out counts as free, also when it was this relay's own: it comes back with a new fence.
   */
  renew(relay: string, leaseMs: number): Promise<LeaseView>
  /** Gives drained partitions back at once, so that others need not wait for the lease to run out. */
  giveBack(relay: string, leases: readonly Lease[]): Promise<void>
  /** Gives everything back and is no longer counted among the living. */
  leave(relay: string): Promise<void>
  /**
   * The first due entries of the leased partitions in the order of their ids, at most `maxCountPerPartition` of each and `maxCount` and about
   * `maxBytes` in all, without entries in `except`, those of parked keys, and those of keys that wait for another attempt. Never
   * starts behind an id that it has seen: lower ones may be committed later. Nothing comes of a partition whose lease
   * is no longer the relay's.
   */
  read(request: ReadRequest): Promise<readonly OutboxEntry[]>
  /**
   * Deletes exactly these entries where the fence is still that of the lease; resolves with how many were deleted. Those of
   * a lost lease stay: their new owner publishes them again, with the same ids.
   */
  remove(relay: string, entries: readonly EntryRef[]): Promise<number>
  /**
   * Counts a failure of the entry's own; parks its key when the attempts are used up. Of the entries of a key the first that fails is
   * counted: while it is there, failures of those behind it are not (`attempts` 0), and replace nothing. A parked key stays
   * parked. No effect without the lease.
   */
  fail(relay: string, entry: EntryRef, failure: EntryFailure, policy: ParkPolicy): Promise<FailureVerdict>
  /** Makes entries whose `notBefore` has come ordinary ones, at the end of their partitions; resolves with how many. */
  releaseDue(leases: readonly Lease[], maxCount: number): Promise<number>
  /** Undefined where nothing can be heard (PgBouncer in transaction mode): polling alone does. */
  listen(events: ListenerEvents): Promise<Listener | undefined>
  stats(): Promise<OutboxStats>
  parkedKeys(limit?: number): Promise<readonly ParkedKey[]>
  /** Resolves with the number of entries deleted (`skip`, `discard`), or 0; false when the key was not parked. */
  decide(key: EntryKey, decision: ParkedDecision): Promise<number | false>
  close(): Promise<void>
}

export interface ReadRequest {
  readonly relay: string
  readonly leases: readonly Lease[]
  /** Read before and not yet deleted; partition and id say which, whatever the fence. */
  readonly except: readonly EntryRef[]
  /**
   * Keys of which nothing is wanted now: slow ones that hold enough, and those that wait for their destination. Without it a
   * backlog of one such key, read first for its low ids, would hold up everything behind it.
   */
  readonly exceptKeys: readonly EntryKey[]
  readonly maxCount: number
  readonly maxCountPerPartition: number
  readonly maxBytes: number
}

/** One entry, and the fence under which it was read. */
export interface EntryRef {
  readonly partition: number
  readonly id: bigint
  readonly fence: bigint
}

/** Which message a consumer has seen: the identity of CloudEvents, source and id, for each consumer. */
export interface InboxKey {
  readonly consumer: string
  readonly source: string
  readonly id: string
  /**
   * The envelope's own time: how old the message is, undefined where it does not say. No part of the identity: brokers and replays
   * keep it, but a publish that is repeated with the same id, by a caller or by another attempt of a handler, has a new one.
   */
  readonly time: Date | undefined
}

/** `new`: remembered now. `duplicate`: handled before. `expired`: older than what is remembered, so nobody knows. */
export type InboxVerdict = 'new' | 'duplicate' | 'expired'

/** The side of consumers. */
export interface InboxStore<Tx> {
  /**
   * Begins, runs the work, commits; rolls back when the work rejects, and rejects with its error, unwrapped. Resolves only when
   * the database says that it has committed: PostgreSQL answers the COMMIT of a transaction in which a statement failed with
   * ROLLBACK, and not with an error.
   */
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>
  /**
   * Remembers the messages as part of the transaction, by inserting first: of two transactions at once the second waits for
   * the first, and is told `duplicate` if that one commits. Verdicts in the order of the keys. Refuses, before anything is
   * written, a handle in no transaction (`POSTHORN_NO_TRANSACTION`) and an empty consumer, source or id
   * (`POSTHORN_INVALID_ENVELOPE`).
   */
  remember(tx: Tx, keys: readonly InboxKey[]): Promise<readonly InboxVerdict[]>
  /** Makes room for times to come and drops what is older than the retention, whole partitions at a time. Idempotent, safe in several processes. */
  maintain(): Promise<{ readonly created: number; readonly dropped: number }>
}
