import assert from 'node:assert/strict'
import type { WireMessage } from '@posthorn/core/adapter'
import type { EntryRef, InboxKey, Lease, LeaseView, NewEntry, OutboxEntry, ReadRequest } from '../ports.js'
import type { OpenStore, StoreTiming } from './storeSetup.js'

/** A lease that nobody loses within a case. */
export const longLeaseMs = 600_000

/** How a case's entry differs from the plain one. */
export interface EntryChanges extends Partial<Omit<NewEntry, 'message'>> {
  readonly message?: Partial<WireMessage>
}

/** An entry of a key; its message's id is `key-n`. */
export function entryOf(key: string, n: number, { message, ...changes }: EntryChanges = {}): NewEntry {
  return {
    destination: 'conformance.orders',
    mustRoute: false,
    ...changes,
    message: {
      body: Buffer.from(`{"n":${n}}`),
      contentType: 'application/cloudevents+json; charset=UTF-8',
      id: `${key}-${n}`,
      type: 'com.example.noted.v1',
      partitionKey: key,
      headers: {},
      ...message,
    },
  }
}

/** Entries 1 to `count` of a key. */
export function entriesOf(key: string, count: number): NewEntry[] {
  return Array.from({ length: count }, (_, index) => entryOf(key, index + 1))
}

/** The ids of the messages, in the order of the entries. */
export function idsOf(entries: readonly OutboxEntry[]): string[] {
  return entries.map(({ message }) => message.id)
}

/** The entries of each partition that has some. */
export function byPartition(entries: readonly OutboxEntry[]): OutboxEntry[][] {
  const groups = new Map<number, OutboxEntry[]>()
  for (const entry of entries) groups.set(entry.partition, [...(groups.get(entry.partition) ?? []), entry])
  return [...groups.values()]
}

/** One for all: brokers and replays keep it. */
const messageTime = new Date()

/** A key of a consumer's inbox. */
export function inboxKey(id: string, changes: Partial<InboxKey> = {}): InboxKey {
  return { consumer: 'billing', source: '/shop', id, time: messageTime, ...changes }
}

/** The surroundings of one case. */
export interface StoreBench<Tx> extends OpenStore<Tx> {
  readonly timing: StoreTiming
  readonly longAgo: Date
  /** Stores the entries in a transaction of their own. */
  commit(entries: readonly NewEntry[]): Promise<void>
  /** Renews until the relay owns every partition, for longer than the case lasts. */
  leaseAll(relay?: string): Promise<LeaseView>
  read(leases: readonly Lease[], changes?: Partial<ReadRequest>): Promise<readonly OutboxEntry[]>
  /** Everything that relay `one` finds when it takes all partitions. */
  readAll(): Promise<readonly OutboxEntry[]>
  /** Keys that share a partition, without entries. */
  keysOfOnePartition(count: number): Promise<readonly string[]>
  eventually<Value>(read: () => Promise<Value>, accepts: (value: Value) => boolean): Promise<Value>
}

/** The entries as a relay with these leases names them. */
export function refsOf(entries: readonly OutboxEntry[], leases: readonly Lease[]): EntryRef[] {
  return entries.map(({ partition, id }) => {
    const lease = leases.find((one) => one.partition === partition)
    assert.ok(lease !== undefined, `nobody has partition ${partition}`)
    return { partition, id, fence: lease.fence }
  })
}

/** Sets a case up around its store. */
export function createStoreBench<Tx>(store: OpenStore<Tx>, timing: StoreTiming, longAgo: Date): StoreBench<Tx> {
  const { writer, relays, inbox } = store

  async function eventually<Value>(read: () => Promise<Value>, accepts: (value: Value) => boolean): Promise<Value> {
    const end = performance.now() + timing.waitMs
    for (;;) {
      const value = await read()
      if (accepts(value)) return value
      assert.ok(performance.now() < end, 'what a case waits for did not come')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async function leaseAll(relay = 'one'): Promise<LeaseView> {
    const { partitionCount } = await relays.prepare()
    return eventually(
      () => relays.renew(relay, longLeaseMs),
      ({ leases }) => leases.length === partitionCount,
    )
  }

  function read(leases: readonly Lease[], changes: Partial<ReadRequest> = {}): Promise<readonly OutboxEntry[]> {
    const all = { maxCount: 10_000, maxCountPerPartition: 10_000, maxBytes: 1e9 }
    return relays.read({ relay: 'one', leases, except: [], exceptKeys: [], ...all, ...changes })
  }

  const commit = (entries: readonly NewEntry[]): Promise<void> => inbox.transaction((tx) => writer.insert(tx, entries))

  return {
    ...store,
    timing,
    longAgo,
    commit,
    leaseAll,
    read,
    readAll: async () => read((await leaseAll()).leases),
    eventually,
    async keysOfOnePartition(count) {
      const { partitionCount } = await relays.prepare()
      const { leases } = await leaseAll()
      await commit(Array.from({ length: partitionCount * count }, (_, index) => entryOf(`key${index}`, 0)))
      const probes = await read(leases)
      await relays.remove('one', refsOf(probes, leases))
      // With so many keys one partition at least has its share.
      const group = byPartition(probes).find(({ length }) => length >= count)
      assert.ok(group !== undefined, 'every partition has too few keys: entries are missing')
      return group.slice(0, count).map(({ message }) => message.partitionKey ?? '')
    },
  }
}
