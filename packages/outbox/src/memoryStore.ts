import { EnvelopeValidationError } from '@posthorn/core'
import { optionProblems, refuseProblems, wholeNumber } from '@posthorn/core/adapter'
import type { Clock, OptionRule } from '@posthorn/core/adapter'
import { keyOf } from './keyOf.js'
import type { MemoryPartition } from './memoryPartition.js'
import { MemoryStoreState } from './memoryStoreState.js'
import type { MemoryStoreOptions } from './memoryStoreState.js'
import { OpenTransaction, openTransaction } from './memoryTransaction.js'
import type { MemoryTransaction } from './memoryTransaction.js'
import { partitionOf } from './partitionOf.js'
import type {
  EntryRef,
  InboxKey,
  InboxStore,
  InboxVerdict,
  OutboxEntry,
  OutboxStats,
  OutboxWriter,
  ReadRequest,
  RelayStore,
} from './ports.js'

/** Outbox and inbox in the memory of one process, with real transactions: for tests. Nothing survives the process. */
export interface MemoryStore extends OutboxWriter<MemoryTransaction>, RelayStore, InboxStore<MemoryTransaction> {
  /** A transaction of its own, for tests that need two at once; others use `transaction`. */
  begin(): MemoryTransaction
}

const bigint: OptionRule = (value, path) => (typeof value === 'bigint' ? undefined : `${path} must be a bigint`)

const isClock: OptionRule = (value, path) =>
  typeof (value as Partial<Clock> | null)?.monotonic === 'function' ? undefined : `${path} must be a clock`

/** Makes a store that keeps every promise of the ports, in memory; throws a `ConfigurationError` with all problems. */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  refuseProblems(
    'createMemoryStore',
    optionProblems('options', options, {
      clock: isClock,
      partitionCount: wholeNumber(1, 32_767),
      inboxRetentionMs: wholeNumber(1),
      firstId: bigint,
    }),
  )
  const state = new MemoryStoreState(options)
  const relaySide = relayStore(state)
  return { ...relaySide, ...writer(state), ...inboxStore(state), begin: () => new OpenTransaction() }
}

function writer(state: MemoryStoreState): OutboxWriter<MemoryTransaction> {
  return {
    async insert(handle, entries) {
      const tx = openTransaction(handle)
      refuseEmpty(
        'message id',
        entries.map(({ message }) => message.id),
      )
      const createdAt = new Date(state.clock.now())
      for (const entry of entries) {
        const partition = partitionOf(keyOf(entry), state.partitions.length)
        const stored: OutboxEntry = { ...entry, partition, id: state.nextId(), createdAt, attempts: 0 }
        tx.onCommit(() => state.partitions[partition]?.add(stored))
      }
      tx.onCommit(() => state.hint())
    },
  }
}

function relayStore(state: MemoryStoreState): RelayStore {
  const { clock, leases, partitions } = state
  return {
    prepare: async () => ({ partitionCount: partitions.length }),
    async renew(relay, leaseMs) {
      const view = leases.renew(relay, clock.monotonic(), leaseMs)
      const dues = view.leases.flatMap(({ partition }) => partitions[partition]?.nextDue ?? [])
      return { ...view, nextDueMs: dues.length === 0 ? undefined : Math.max(Math.min(...dues) - clock.now(), 0) }
    },
    async giveBack(relay, given) {
      for (const lease of given) leases.giveBack(relay, lease)
    },
    async leave(relay) {
      leases.leave(relay)
    },
    read: async (request) => readEntries(state, request),
    async remove(relay, entries) {
      const held = entries.filter((entry) => state.isHeld(relay, entry))
      return held.filter(({ partition, id }) => partitions[partition]?.remove(id)).length
    },
    async fail(relay, entry, failure, { maxAttempts, retryAfterMs }) {
      const partition = partitions[entry.partition]
      if (partition === undefined || !state.isHeld(relay, entry)) return { attempts: 0, parked: false }
      const now = clock.now()
      return partition.fail(entry.id, failure, { maxAttempts, retryAt: now + retryAfterMs, now })
    },
    async releaseDue(owned, maxCount) {
      let released = 0
      for (const lease of owned) {
        if (!state.isHeld(undefined, lease)) continue
        released += partitions[lease.partition]?.release(clock.now(), maxCount - released, state.nextId) ?? 0
      }
      return released
    },
    listen: async (events) => state.listen(events),
    stats: async () => statsOf(state),
    parkedKeys: async (limit = 100) => partitions.flatMap(({ parked }) => parked).slice(0, limit),
    async decide({ partition, key }, decision) {
      const decided = partitions[partition]?.decide(key, decision) ?? false
      if (decided !== false) state.hint()
      return decided
    },
    close: async () => state.stopListening(),
  }
}

function readEntries(state: MemoryStoreState, request: ReadRequest): OutboxEntry[] {
  const idsOf = groupBy(request.except, ({ id }: EntryRef) => id)
  const keysOf = groupBy(request.exceptKeys, ({ key }) => key)
  const now = state.clock.now()
  const found = request.leases
    .filter((lease) => state.isHeld(request.relay, lease))
    .flatMap(({ partition }) => {
      const exceptIds = idsOf.get(partition) ?? new Set()
      const exceptKeys = keysOf.get(partition) ?? new Set()
      const maxCount = request.maxCountPerPartition
      return state.partitions[partition]?.read({ exceptIds, exceptKeys, maxCount, now }) ?? []
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, request.maxCount)
  let bytes = 0
  const tooMuch = found.findIndex(({ message }, index) => {
    bytes += message.body?.length ?? 0
    return bytes > request.maxBytes && index > 0
  })
  return tooMuch === -1 ? found : found.slice(0, tooMuch)
}

function groupBy<Item extends { readonly partition: number }, Value>(
  items: readonly Item[],
  value: (item: Item) => Value,
): Map<number, Set<Value>> {
  const groups = new Map<number, Set<Value>>()
  for (const item of items) {
    const group = groups.get(item.partition)
    if (group === undefined) groups.set(item.partition, new Set([value(item)]))
    else group.add(value(item))
  }
  return groups
}

function statsOf({ clock, partitions }: MemoryStoreState): OutboxStats {
  const sum = (count: (partition: MemoryPartition) => number): number =>
    partitions.reduce((total, partition) => total + count(partition), 0)
  const oldest = Math.min(...partitions.map((partition) => partition.oldest ?? Infinity))
  const scheduled = sum(({ scheduledCount }) => scheduledCount)
  return {
    depth: sum(({ dueCount }) => dueCount) + scheduled,
    oldestMs: oldest === Infinity ? 0 : Math.max(clock.now() - oldest, 0),
    parkedKeys: sum(({ parked }) => parked.length),
    scheduled,
  }
}

function inboxStore(state: MemoryStoreState): InboxStore<MemoryTransaction> {
  return {
    async transaction(work) {
      const tx = new OpenTransaction()
      try {
        const result = await work(tx)
        await tx.commit()
        return result
      } catch (error) {
        if (tx.isOpen) await tx.rollback()
        throw error
      }
    },
    async remember(handle, keys) {
      const tx = openTransaction(handle)
      refuseEmpty(
        'consumer, source or id',
        keys.flatMap(({ consumer, source, id }: InboxKey) => [consumer, source, id]),
      )
      const verdicts: InboxVerdict[] = []
      for (const key of keys) {
        verdicts.push(await state.inbox.remember(tx, key, () => state.clock.now()))
        // It may have ended while this one waited for another.
        openTransaction(tx)
      }
      return verdicts
    },
    maintain: async () => ({ created: 0, dropped: state.inbox.drop(state.clock.now()) }),
  }
}

function refuseEmpty(what: string, values: readonly string[]): void {
  if (!values.includes('')) return
  const message = `An empty ${what} would make different messages one; nothing was written.`
  throw new EnvelopeValidationError({ code: 'POSTHORN_INVALID_ENVELOPE', message, issues: [] })
}
