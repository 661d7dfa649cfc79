import type { MetricData } from '@opentelemetry/sdk-metrics'
import { createService, on, silentLogger } from '@posthorn/core'
import type { Transport } from '@posthorn/core/adapter'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { createInbox, createMemoryStore, createRelay } from '@posthorn/outbox'
import type { MemoryStore } from '@posthorn/outbox'
import { expect } from 'vitest'
import { orderContract } from './oneOrder.js'
import { createSdk } from './sdk.js'

const orderPlaced = orderContract('orders')
const order = { orderId: 'o-1', note: 'n' }

/** The adapters to brokers tell more in their health than memory does; what they tell is tested beside them. */
function talkative(): Transport {
  const transport = createMemory()
  const more = {
    addresses: ['amqp://broker.example:5672'],
    eventLoopDelayMs: 7,
    blockedMs: 5,
    counts: { confirmed: 3 },
    topics: [{ group: 'billing', topic: 'orders', lag: 4, commitAgeMs: 2 }],
  }
  return {
    ...transport,
    health: () => ({ ...transport.health(), ...more }),
    send: (target, message, options) =>
      message.id === 'refused' ? Promise.reject(new Error('no')) : transport.send(target, message, options),
  }
}

/** As PostgreSQL tells of its tables. */
function databaseLike(): MemoryStore {
  const store = createMemoryStore({ partitionCount: 1 })
  const stats = async (): Promise<object> => ({ ...(await store.stats()), deadRows: 3, horizonAge: 4 })
  return Object.assign(Object.create(store) as MemoryStore, { stats })
}

/** Lets one of everything happen, and gives what was measured. */
export async function everything(): Promise<readonly MetricData[]> {
  const sdk = createSdk()
  const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
  const service = createService({ source: '/shop', logger: silentLogger, transport: talkative(), telemetry })
  const store = databaseLike()
  service.attach(createInbox({ store }))
  service.attach(createRelay({ store, listen: false, statsIntervalMs: 100 }))
  let calls = 0
  const handler = on(orderPlaced, () => {
    calls += 1
    if (calls === 1) throw new TypeError('once')
  })
  service.consume('billing', { retry: { delaysMs: [0] }, order: { by: 'partitionKey' }, handlers: [handler] })
  await service.start()
  await service.publish(orderPlaced, order, { headers: { traceparent: 'damaged' } })
  await expect(service.publish(orderPlaced, order, { id: 'refused' })).rejects.toThrow('no')
  await expect.poll(() => service.health().consumers[0]?.handled).toBe(1)
  await expect.poll(() => service.health().parts['relay']).toMatchObject({ deadRows: 3 })
  const emitted = await sdk.metrics()
  await service.stop()
  await sdk.close()
  return emitted
}
