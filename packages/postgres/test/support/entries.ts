import { randomUUID } from 'node:crypto'
import type { EntryRef, Lease, NewEntry, OutboxEntry, ReadRequest } from '@posthorn/outbox'

/** An entry with a fresh id. */
export function entry(
  values: { key?: string; id?: string; text?: string; notBefore?: Date; body?: Uint8Array | null } = {},
): NewEntry {
  const { key, id = randomUUID(), text = '{"n":1}', notBefore, body = new TextEncoder().encode(text) } = values
  return {
    destination: 'orders',
    mustRoute: false,
    message: {
      id,
      type: 'com.example.order.placed.v1',
      contentType: 'application/json',
      body,
      headers: { traceparent: 'tp', Ünï: '"\\' },
      ...(key === undefined ? {} : { partitionKey: key }),
    },
    ...(notBefore === undefined ? {} : { notBefore }),
  }
}

/** A read of everything. */
export function everything(relay: string, leases: readonly Lease[], changes: Partial<ReadRequest> = {}): ReadRequest {
  const limits = { maxCount: 1_000, maxCountPerPartition: 1_000, maxBytes: 10_000_000 }
  return { relay, leases, except: [], exceptKeys: [], ...limits, ...changes }
}

export function refOf(stored: OutboxEntry, leases: readonly Lease[]): EntryRef {
  const fence = leases.find(({ partition }) => partition === stored.partition)?.fence ?? 0n
  return { partition: stored.partition, id: stored.id, fence }
}
