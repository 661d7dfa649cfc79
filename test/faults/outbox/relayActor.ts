import { createRelay } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import { stopMs } from '../actor.js'
import type { Actor } from '../actor.js'
import type { ChildConfig } from '../childLink.js'
import { maxUnconfirmed } from '../childPublisher.js'
import { transportOf } from '../serviceActor.js'
import { flows } from '../traffic.js'
import { createFailPoints } from './failPoints.js'
import { relayStoreOf } from './outboxLies.js'
import { createRunPool, maxConnections } from './runPool.js'

/** How long a partition stays with a relay that says nothing, in milliseconds: short, so that pauses are longer. */
export const leaseMs = 5_000

/** A relay on its own. */
export function createRelayActor(config: ChildConfig): Actor {
  const pool = createRunPool(config.database!, config.name, maxConnections.relay)
  const points = createFailPoints()
  const store = createPostgresStore({ pool, timeoutMs: 5_000, keepAliveMs: 2_000 })
  const relay = createRelay({
    store: points.store(relayStoreOf(store, config)),
    transport: points.transport(transportOf(config)),
    destinations: config.flows.map((key) => flows[key].contract.destination),
    leaseMs,
    pollIntervalMs: 1_000,
    maxInFlight: maxUnconfirmed,
  })
  return {
    start: () => relay.start({ ifUnavailable: 'wait' }),
    async stop() {
      await relay.stop({ deadlineMs: stopMs })
      await store.close()
      await pool.end()
    },
    state() {
      const { ready, inFlight } = relay.health()
      return { ready, unconfirmed: inFlight }
    },
    failAt: (point) => points.arm(point),
  }
}
