import type { EntryRef, Lease, MemoryStore, MemoryTransaction } from '../../src/index.js'

/** Makes a liar of a store. */
export type StoreLie = (store: MemoryStore) => MemoryStore

/** The lease of each partition as the relays were told, with its relay. */
function watchLeases(store: MemoryStore): { store: MemoryStore; current: Map<number, Lease & { relay: string }> } {
  const current = new Map<number, Lease & { relay: string }>()
  const watched: MemoryStore = {
    ...store,
    async renew(relay, leaseMs) {
      const view = await store.renew(relay, leaseMs)
      for (const lease of view.leases) current.set(lease.partition, { ...lease, relay })
      return view
    },
  }
  return { store: watched, current }
}

/** Stores that break one promise each. */
export const storeLies = {
  /** Reads on behind the highest id that it has seen. */
  idCursor(store) {
    const highest = new Map<number, bigint>()
    return {
      ...store,
      async read(request) {
        const found = await store.read(request)
        const behind = found.filter(({ partition, id }) => id > (highest.get(partition) ?? 0n))
        for (const { partition, id } of behind) highest.set(partition, id)
        return behind
      },
    }
  },
  /** Removes for whoever asks. */
  unfencedRemove(store) {
    const { store: watched, current } = watchLeases(store)
    return {
      ...watched,
      async remove(_relay, entries) {
        let count = 0
        for (const { partition, id } of entries) {
          const lease = current.get(partition)
          if (lease !== undefined) count += await store.remove(lease.relay, [{ partition, id, fence: lease.fence }])
        }
        return count
      },
    }
  },
  /** Counts failures of relays that have lost the partition. */
  unfencedFail(store) {
    const { store: watched, current } = watchLeases(store)
    return {
      ...watched,
      fail(relay, entry, failure, policy) {
        const lease = current.get(entry.partition)
        const ref: EntryRef = { ...entry, fence: lease?.fence ?? 0n }
        return store.fail(lease?.relay ?? relay, ref, failure, policy)
      },
    }
  },
  /** Looks first, and remembers with the commit. */
  checkThenInsert(store) {
    const seen = new Map<string, boolean>()
    return {
      ...store,
      async remember(tx, keys) {
        const honest = await store.remember(tx, [])
        return [
          ...honest,
          ...keys.map((key) => {
            const name = JSON.stringify([key.consumer, key.source, key.id])
            if (seen.has(name)) return 'duplicate' as const
            tx.onCommit(() => seen.set(name, true))
            return 'new' as const
          }),
        ]
      },
    }
  },
  /** Remembers in a transaction of its own. */
  rememberedOutside: (store) => ({
    ...store,
    remember: (_tx: MemoryTransaction, keys) => store.transaction((own) => store.remember(own, keys)),
  }),
  /** Gives entries of parked keys. */
  parkIgnored: (store) => ({
    ...store,
    async fail(relay, entry, failure, policy) {
      const { attempts } = await store.fail(relay, entry, failure, { ...policy, maxAttempts: 1_000, retryAfterMs: 0 })
      return { attempts, parked: attempts >= policy.maxAttempts }
    },
  }),
  /** Writes outside the transaction that it was given. */
  insertedOutside: (store) => ({
    ...store,
    insert: (_tx: MemoryTransaction, entries) => store.transaction((own) => store.insert(own, entries)),
  }),
  /** Lets a failing key be tried again at once. */
  impatient: (store) => ({
    ...store,
    fail: (relay, entry, failure, policy) => store.fail(relay, entry, failure, { ...policy, retryAfterMs: 0 }),
  }),
  /** Never lets a lease run out. */
  endlessLease: (store) => ({ ...store, renew: (relay, leaseMs) => store.renew(relay, leaseMs * 1e6) }),
  /** Keeps what was given back. */
  greedy: (store) => ({ ...store, giveBack: async () => {}, leave: async () => {} }),
  /** Gives again what was read before. */
  exceptIgnored: (store) => ({ ...store, read: (request) => store.read({ ...request, except: [] }) }),
  /** Gives entries of keys that are not wanted. */
  exceptKeysIgnored: (store) => ({ ...store, read: (request) => store.read({ ...request, exceptKeys: [] }) }),
  /** Hands over at once what has a time to come. */
  early: (store) => ({
    ...store,
    insert: (tx, entries) =>
      store.insert(
        tx,
        entries.map(({ notBefore: _time, ...entry }) => entry),
      ),
  }),
  /** Says nothing of new entries. */
  mute: (store) => ({ ...store, listen: () => store.listen({ onHint: () => {}, onLost: () => {} }) }),
  /** Gives entries in another order. */
  backwards: (store) => ({ ...store, read: async (request) => [...(await store.read(request))].reverse() }),
  /** Takes an operator's word for nothing. */
  undecided: (store) => ({ ...store, decide: async () => 0 }),
  /** Rounds ids as a number does. */
  roundedIds: (store) => ({
    ...store,
    read: async (request) => (await store.read(request)).map((entry) => ({ ...entry, id: BigInt(Number(entry.id)) })),
  }),
} satisfies Record<string, StoreLie>
