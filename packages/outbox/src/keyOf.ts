import type { WireMessage } from '@posthorn/core/adapter'

/** What keeps the order of an entry: its partition key, or its own id. */
export function keyOf(entry: { readonly message: Pick<WireMessage, 'partitionKey' | 'id'> }): string {
  return entry.message.partitionKey ?? entry.message.id
}
