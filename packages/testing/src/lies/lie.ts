import type { Delivery, Subscription, Transport } from '@posthorn/core/adapter'

/** Says whether it is time to lie. */
export type Occasion = () => boolean

/** Makes a liar of a transport. */
export type Tell = (inner: Transport, occasion: Occasion) => Transport

type OnDeliveries = (deliveries: readonly Delivery[]) => void

/** What a lie does to one subscription. */
export interface ChangedSubscription {
  readonly subscription?: Subscription
  readonly onDeliveries?: OnDeliveries
}

/** The same transport, whose subscriptions are changed. */
export function withSubscriptions(
  inner: Transport,
  change: (subscription: Subscription, onDeliveries: OnDeliveries) => ChangedSubscription,
): Transport {
  return {
    ...inner,
    subscribe(subscription, onDeliveries, options) {
      const changed = change(subscription, onDeliveries)
      return inner.subscribe(changed.subscription ?? subscription, changed.onDeliveries ?? onDeliveries, options)
    },
  }
}

/** The same transport, whose deliveries are replaced one by one when it is time to lie. */
export function withDeliveries(
  inner: Transport,
  occasion: Occasion,
  replace: (delivery: Delivery) => readonly Delivery[],
): Transport {
  return withSubscriptions(inner, ({ source }, onDeliveries) => {
    if (source === 'dead') return {}
    return { onDeliveries: (batch) => onDeliveries(batch.flatMap((one) => (occasion() ? replace(one) : [one]))) }
  })
}
