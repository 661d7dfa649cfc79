import type { Delivery, Transport } from '@posthorn/core/adapter'
import { decorateDelivery } from '../decorateDelivery.js'
import { withDeliveries, withSubscriptions } from './lie.js'
import type { Occasion, Tell } from './lie.js'

const nothing = (): void => {}

/** The names of the lies about what was delivered and settled. */
export type DeliveryLie =
  | 'earlyAck'
  | 'forgottenRelease'
  | 'forgottenComplete'
  | 'duplicateDelivery'
  | 'duplicateSettle'
  | 'reorderedKey'
  | 'orderIgnored'
  | 'unboundedInFlight'
  | 'inventedCrashes'
  | 'silentLoss'

/** Lies about what was delivered and settled. */
export const deliveryLies: Readonly<Record<DeliveryLie, Tell>> = {
  /** Completes a message when it hands it over, before its handler is done. */
  earlyAck: (inner, occasion) =>
    withDeliveries(inner, occasion, (delivery) => {
      delivery.complete()
      return [decorateDelivery(delivery, { complete: nothing, release: nothing })]
    }),
  /** Completes what is released. */
  forgottenRelease: (inner, occasion) =>
    withDeliveries(inner, occasion, (delivery) => [decorateDelivery(delivery, { release: () => delivery.complete() })]),
  /** Does not tell the broker what is completed. */
  forgottenComplete: (inner, occasion) =>
    withDeliveries(inner, occasion, (delivery) => [decorateDelivery(delivery, { complete: nothing })]),
  /** Hands every delivery over twice. */
  duplicateDelivery: (inner, occasion) =>
    withDeliveries(inner, occasion, (delivery) => [
      delivery,
      decorateDelivery(delivery, { complete: nothing, release: nothing }),
    ]),
  /** Throws when a delivery is settled a second time. */
  duplicateSettle: (inner, occasion) => withDeliveries(inner, occasion, (delivery) => [settledOnce(delivery)]),
  /** Swaps two neighbours of one partition key. */
  reorderedKey: (inner, occasion) => withSwaps(inner, occasion),
  /** Forgets the partition key of what it delivers and spreads the work without order. */
  orderIgnored: (inner) =>
    withSubscriptions(inner, (subscription) => ({ subscription: { ...subscription, ordered: false } })),
  /** Delivers without any bound. */
  unboundedInFlight: (inner) =>
    withSubscriptions(inner, (subscription) => ({
      subscription: { ...subscription, maxInFlight: 65_535, maxInFlightBytes: Number.MAX_SAFE_INTEGER },
    })),
  /** Counts every delivery as one after a crash. */
  inventedCrashes: (inner, occasion) =>
    withDeliveries(inner, occasion, (delivery) => [decorateDelivery(delivery, { brokerRedeliveries: 3 })]),
  /** Does not say that a delivery was lost. */
  silentLoss: (inner, occasion) =>
    withDeliveries(inner, occasion, (delivery) => [decorateDelivery(delivery, { lost: new AbortController().signal })]),
}

function settledOnce(delivery: Delivery): Delivery {
  let settled = false
  const once = (settle: () => void): void => {
    if (settled) throw new Error('This delivery is settled already')
    settled = true
    settle()
  }
  return decorateDelivery(delivery, {
    complete: () => once(() => delivery.complete()),
    release: () => once(() => delivery.release()),
  })
}

/** So long a delivery waits for a neighbour to swap places with. */
const swapMs = 20

function withSwaps(inner: Transport, occasion: Occasion): Transport {
  return withSubscriptions(inner, (_subscription, onDeliveries) => {
    let held: Delivery | undefined
    const hand = (delivery: Delivery | undefined): void => {
      if (delivery !== undefined) onDeliveries([delivery])
    }
    function flush(): void {
      const delivery = held
      held = undefined
      hand(delivery)
    }
    function take(delivery: Delivery): void {
      if (held === undefined && delivery.partitionKey !== undefined && occasion()) {
        held = delivery
        setTimeout(flush, swapMs)
        return
      }
      hand(delivery)
      if (held?.partitionKey === delivery.partitionKey) flush()
    }
    return { onDeliveries: (batch) => batch.forEach(take) }
  })
}
