import type { Delivery } from '@posthorn/core/adapter'

/**
 * A delivery with something replaced. Every field is copied by name: an adapter's delivery may be an instance of a class
 * whose getters a spread would leave behind.
 */
export function decorateDelivery(delivery: Delivery, changes: Partial<Delivery>): Delivery {
  const { body, headers, contentType, address, id, partitionKey, brokerRedeliveries, lost, position } = delivery
  return {
    body,
    headers,
    contentType,
    address,
    ...(id === undefined ? {} : { id }),
    ...(partitionKey === undefined ? {} : { partitionKey }),
    ...(brokerRedeliveries === undefined ? {} : { brokerRedeliveries }),
    ...(lost === undefined ? {} : { lost }),
    ...(position === undefined ? {} : { position }),
    complete: () => delivery.complete(),
    release: () => delivery.release(),
    ...changes,
  }
}
