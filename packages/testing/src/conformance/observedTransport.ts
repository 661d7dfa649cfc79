import type { Delivery, Subscription, Target, Transport, WireMessage } from '@posthorn/core/adapter'
import { targetName } from '@posthorn/core/adapter'
import { decorateDelivery } from '../decorateDelivery.js'

/** What passed between the core and a transport, in its order. */
export type Observation =
  | { readonly kind: 'sending' | 'sent' | 'refused'; readonly target: Target; readonly message: WireMessage }
  | { readonly kind: 'delivered' | 'completed' | 'released'; readonly subscription: Subscription; readonly at: number }

/** A transport whose traffic a case can look at. */
export interface ObservedTransport {
  readonly transport: Transport
  readonly observations: readonly Observation[]
  /** The most deliveries, and the most bytes of them, that were unsettled at once. */
  readonly peak: { readonly count: number; readonly bytes: number }
}

/** Writes down what a transport is asked and what it delivers, and changes nothing. */
export function observe(inner: Transport): ObservedTransport {
  const observations: Observation[] = []
  const unsettled = { count: 0, bytes: 0 }
  const peak = { count: 0, bytes: 0 }
  let delivered = 0

  function watch(delivery: Delivery, subscription: Subscription): Delivery {
    const bytes = delivery.body?.length ?? 0
    const at = (delivered += 1)
    const settled = (kind: 'completed' | 'released'): void => {
      observations.push({ kind, subscription, at })
      unsettled.count -= 1
      unsettled.bytes -= bytes
    }
    observations.push({ kind: 'delivered', subscription, at })
    unsettled.count += 1
    unsettled.bytes += bytes
    peak.count = Math.max(peak.count, unsettled.count)
    peak.bytes = Math.max(peak.bytes, unsettled.bytes)
    return decorateDelivery(delivery, {
      complete() {
        settled('completed')
        delivery.complete()
      },
      release() {
        settled('released')
        delivery.release()
      },
    })
  }

  const transport: Transport = {
    ...inner,
    async send(target, message, options) {
      observations.push({ kind: 'sending', target, message })
      try {
        const receipt = await inner.send(target, message, options)
        observations.push({ kind: 'sent', target, message })
        return receipt
      } catch (error) {
        observations.push({ kind: 'refused', target, message })
        throw error
      }
    },
    subscribe: (subscription, onDeliveries, options) =>
      inner.subscribe(
        subscription,
        (deliveries) => onDeliveries(deliveries.map((delivery) => watch(delivery, subscription))),
        options,
      ),
  }
  return { transport, observations, peak }
}

/** What passed between one group and the broker, in short: without what was published. `group` is its full name. */
export function storyOf(observations: readonly Observation[], group: string): string[] {
  const prefix = `${group}.`
  return observations.flatMap((observation) => {
    if (!('target' in observation)) return [observation.kind]
    const name = targetName(observation.target)
    return name.startsWith(prefix) ? [`${observation.kind} ${name.slice(prefix.length)}`] : []
  })
}

/** Id and partition key of everything that was sent, copies included. */
export function identitiesOf(observations: readonly Observation[]): string[] {
  return observations.flatMap((observation) => {
    if (observation.kind !== 'sending') return []
    const { id, partitionKey } = observation.message
    return [`${id} ${partitionKey}`]
  })
}
