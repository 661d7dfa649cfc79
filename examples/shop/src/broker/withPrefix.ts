import type { Transport } from '@posthorn/core'
import type { Subscription, Target } from '@posthorn/core/adapter'

/**
 * The same transport with every destination under a prefix: the demo keeps its queues apart from those of a shop that runs
 * on the same broker. A transport is an object of functions, so that three of them can be wrapped and the rest stay.
 */
export function withPrefix(transport: Transport, prefix: string): Transport {
  const subscription = (own: Subscription): Subscription => ({ ...own, destination: prefix + own.destination })
  return {
    ...transport,
    check: ({ publishes, subscriptions }) =>
      transport.check({
        publishes: publishes.map((name) => prefix + name),
        subscriptions: subscriptions.map(subscription),
      }),
    connect: (context, publishes, options) =>
      transport.connect(
        context,
        publishes.map((name) => prefix + name),
        options,
      ),
    send: (target, message, options) => transport.send(prefixed(target, prefix), message, options),
    subscribe: (own, onDeliveries, options) => transport.subscribe(subscription(own), onDeliveries, options),
  }
}

function prefixed(target: Target, prefix: string): Target {
  if ('retry' in target) return { retry: { ...target.retry, destination: prefix + target.retry.destination } }
  if ('dead' in target) return { dead: { ...target.dead, destination: prefix + target.dead.destination } }
  if ('group' in target) return { group: { ...target.group, destination: prefix + target.group.destination } }
  return { destination: prefix + target.destination }
}
