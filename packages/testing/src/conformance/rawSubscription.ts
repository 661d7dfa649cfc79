import type { Delivery, RunningSubscription, Subscription, Target, Transport } from '@posthorn/core/adapter'
import type { Probe } from '../probes/probe.js'
import type { Bench } from './bench.js'

/** A subscription without the core: its deliveries wait to be settled by the case. */
export interface RawSubscription {
  readonly transport: Transport
  readonly running: RunningSubscription
  readonly deliveries: Probe<Delivery>
}

/** Where a raw subscription listens, and a way to make one on a transport of its own. */
export interface RawGroup {
  /** The destination of the case. */
  readonly target: Target
  readonly subscribe: (overrides?: Partial<Subscription>) => Promise<RawSubscription>
}

/** Subscribes below the core, for what the ports promise to it. */
export function subscriptionFor(bench: Bench): RawGroup {
  const { destination } = bench
  return {
    target: { destination },
    async subscribe(overrides) {
      const transport = await bench.connected()
      const deliveries = bench.probe<Delivery>('deliveries')
      const subscription: Subscription = {
        destination,
        group: 'raw',
        source: 'work',
        types: [bench.noted.type],
        rungsMs: [],
        ordered: false,
        maxInFlight: 100,
        maxInFlightBytes: 10_000_000,
        ...overrides,
      }
      const take = (batch: readonly Delivery[]): void => batch.forEach(deliveries.record)
      const running = await transport.subscribe(subscription, take, bench.soon())
      return { transport, running, deliveries }
    },
  }
}
