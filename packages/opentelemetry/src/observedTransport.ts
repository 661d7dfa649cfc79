import type { Delivery, Transport } from '@posthorn/core/adapter'
import { isActive } from './observation.js'
import type { Observation } from './observation.js'
import { DeliveryRoutes, ObservedDelivery } from './observedDelivery.js'
import { observedSend } from './observedSend.js'

/** A transport whose messages are seen; while nobody looks, calls go straight through. */
export function observedTransport(transport: Transport, observation: Observation): Transport {
  return {
    system: transport.system,
    get capabilities() {
      return transport.capabilities
    },
    check: (declaration) => transport.check(declaration),
    connect: (...args) => transport.connect(...args),
    health: () => transport.health(),
    close: (deadline) => transport.close(deadline),
    send(target, message, options) {
      if (!isActive(observation.providers)) return transport.send(target, message, options)
      return observedSend(observation, transport, { target, message, options })
    },
    subscribe(subscription, onDeliveries, options) {
      const source = { observation, subscription, routes: new DeliveryRoutes(observation, subscription) }
      const observe = (deliveries: readonly Delivery[]): readonly Delivery[] => {
        if (!isActive(observation.providers)) return deliveries
        const arrivedAt = performance.now()
        return deliveries.map((delivery) => new ObservedDelivery(delivery, source, arrivedAt))
      }
      return transport.subscribe(subscription, (deliveries) => onDeliveries(observe(deliveries)), options)
    },
  }
}
