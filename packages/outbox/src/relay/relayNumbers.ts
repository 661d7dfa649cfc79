import { observeNumbers, outboxMetrics, readingsBy } from '@posthorn/core/adapter'
import type { Metrics, ObservedNumber } from '@posthorn/core/adapter'
import type { RelayHealth } from './relayHealth.js'

/** Where the numbers of a relay stand. */
export interface RelayNumbers {
  readonly health: () => RelayHealth
  readonly maxInFlight: number
}

/** Shows the numbers of one relay, and what it knows of the outbox, as metrics until what is returned is called. */
export function observeRelay(metrics: Metrics, { health, maxInFlight }: RelayNumbers): () => void {
  return observeNumbers(metrics, [
    { of: outboxMetrics.relayReady, read: () => Number(health().ready) },
    { of: outboxMetrics.held, read: () => health().held },
    { of: outboxMetrics.window, read: () => maxInFlight },
    { of: outboxMetrics.inFlight, read: () => health().inFlight },
    { of: outboxMetrics.waitingKeys, read: () => health().waitingKeys },
    { of: outboxMetrics.leases, read: () => health().leases },
    { of: outboxMetrics.published, read: () => health().published },
    {
      of: outboxMetrics.events,
      read() {
        const { published: _, ...others } = health().counts
        return readingsBy('posthorn.event', others)
      },
    },
    ...outboxNumbers(health),
  ])
}

function outboxNumbers(health: RelayNumbers['health']): ObservedNumber[] {
  return [
    { of: outboxMetrics.depth, read: () => health().depth },
    {
      of: outboxMetrics.oldestAge,
      read() {
        const { oldestMs } = health()
        return oldestMs === undefined ? undefined : oldestMs / 1_000
      },
    },
    { of: outboxMetrics.scheduled, read: () => health().scheduled },
    { of: outboxMetrics.parkedKeys, read: () => health().parkedKeys },
    { of: outboxMetrics.deadRows, read: () => health().deadRows },
    { of: outboxMetrics.horizonAge, read: () => health().horizonAge },
  ]
}
