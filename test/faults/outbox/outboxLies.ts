import type { InboxStore, OutboxEntry, OutboxWriter, RelayStore } from '@posthorn/outbox'
import type { PgClient, PostgresStore } from '@posthorn/postgres'

/** Promises of outbox and inbox that a process can break on purpose: the run must notice. */
export const outboxLies = [
  'removedBeforeConfirm',
  'idCursor',
  'rowsShared',
  'publishedOutside',
  'rememberedApart',
  'rememberedNever',
] as const
export type OutboxLie = (typeof outboxLies)[number]

/** The name of a process says which of several it is. */
interface Liar {
  readonly name: string
  readonly lie: string | undefined
}

/** The relay's side, as it is or lying. */
export function relayStoreOf(store: RelayStore, { name, lie }: Liar): RelayStore {
  if (lie === 'removedBeforeConfirm') {
    return {
      ...store,
      async read(request) {
        const entries = await store.read(request)
        const fences = new Map(request.leases.map(({ partition, fence }) => [partition, fence]))
        const refs = entries.map(({ partition, id }) => ({ partition, id, fence: fences.get(partition)! }))
        await store.remove(request.relay, refs)
        return entries
      },
    }
  }
  if (lie === 'idCursor') {
    const last = new Map<number, bigint>()
    return {
      ...store,
      async read(request) {
        const found = await store.read(request)
        const entries = found.filter(({ partition, id }) => id > (last.get(partition) ?? -1n))
        for (const { partition, id } of entries) last.set(partition, id)
        return entries
      },
    }
  }
  return lie === 'rowsShared' ? sharingRows(store, Number(/-(\d+)\./.exec(name)![1])) : store
}

const relayCount = 3n

/** All relays own all partitions, and share the rows: each takes what another has not, as with SKIP LOCKED. */
function sharingRows(store: RelayStore, index: number): RelayStore {
  const all = 'everybody'
  const isMine = ({ id }: OutboxEntry): boolean => id % relayCount === BigInt(index - 1)
  return {
    ...store,
    renew: (_relay, leaseMs) => store.renew(all, leaseMs),
    giveBack: () => Promise.resolve(),
    leave: () => Promise.resolve(),
    read: async (request) => (await store.read({ ...request, relay: all })).filter(isMine),
    remove: (_relay, entries) => store.remove(all, entries),
    fail: (_relay, ...rest) => store.fail(all, ...rest),
  }
}

/** The side of services: with the caller's transaction, or with one of its own. */
export function writerOf(store: PostgresStore<PgClient>, { lie }: Liar): OutboxWriter<PgClient> {
  if (lie !== 'publishedOutside') return store
  return { insert: (_tx, entries) => store.transaction((tx) => store.insert(tx, entries)) }
}

/** The side of consumers: remembers with the handler's transaction, or in its own, or not at all. */
export function inboxStoreOf(store: InboxStore<PgClient>, { lie }: Liar): InboxStore<PgClient> {
  if (lie === 'rememberedApart') {
    return { ...store, remember: (_tx, keys) => store.transaction((tx) => store.remember(tx, keys)) }
  }
  if (lie === 'rememberedNever') {
    return { ...store, remember: (_tx, keys) => Promise.resolve(keys.map(() => 'new' as const)) }
  }
  return store
}
