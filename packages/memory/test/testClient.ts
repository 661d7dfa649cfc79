import { silentLogger } from '@posthorn/core/adapter'
import type {
  Delivery,
  Receipt,
  RunningSubscription,
  SendOptions,
  Subscription,
  Target,
  Transport,
  WireMessage,
} from '@posthorn/core/adapter'
import { createMemory } from '../src/memory.js'
import type { MemoryBroker } from '../src/memoryBroker.js'
import type { VirtualClock } from '../src/virtualClock.js'

/** A subscription that collects what it gets, in its order. */
export interface Inbox extends RunningSubscription {
  readonly deliveries: Delivery[]
  /** One list for each call. */
  readonly batches: (readonly Delivery[])[]
  ids(): (string | undefined)[]
}

/** A connected transport with short ways to send and to subscribe; every wait ends after ten virtual seconds. */
export interface TestClient {
  readonly transport: Transport
  send(id: string, overrides?: Partial<WireMessage> & { target?: Target }): Promise<Receipt>
  subscribe(overrides?: Partial<Subscription>): Promise<Inbox>
  within(ms?: number): SendOptions
}

export const orders: Target = { destination: 'orders' }
export const billing: { destination: string; group: string } = { destination: 'orders', group: 'billing' }

export function subscriptionOf(overrides: Partial<Subscription> = {}): Subscription {
  return {
    ...billing,
    source: 'work',
    types: 'all',
    rungsMs: [],
    ordered: false,
    maxInFlight: 100,
    maxInFlightBytes: 1_000_000,
    ...overrides,
  }
}

export function messageOf(id: string, overrides: Partial<WireMessage> = {}): WireMessage {
  return {
    body: new TextEncoder().encode(id),
    contentType: 'application/json',
    id,
    type: 'placed',
    headers: {},
    ...overrides,
  }
}

export async function createTestClient(broker: MemoryBroker, clock: VirtualClock): Promise<TestClient> {
  const transport = createMemory({ broker })
  const within = (ms = 10_000): SendOptions => ({ deadline: clock.monotonic() + ms })
  await transport.connect({ logger: silentLogger, clock }, [], within())
  return {
    transport,
    within,
    send: (id, { target = orders, ...overrides } = {}) => transport.send(target, messageOf(id, overrides), within()),
    async subscribe(overrides) {
      const deliveries: Delivery[] = []
      const batches: (readonly Delivery[])[] = []
      const onDeliveries = (batch: readonly Delivery[]): void => {
        batches.push(batch)
        deliveries.push(...batch)
      }
      const running = await transport.subscribe(subscriptionOf(overrides), onDeliveries, within())
      return { ...running, deliveries, batches, ids: () => deliveries.map((delivery) => delivery.id) }
    },
  }
}
