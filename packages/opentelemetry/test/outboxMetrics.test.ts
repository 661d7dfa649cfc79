import { createService, PublishError, silentLogger } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import type { Telemetry } from '@posthorn/opentelemetry'
import { createInbox, createMemoryStore, createOutbox, createRelay, handlersWith } from '@posthorn/outbox'
import type { MemoryStore, MemoryTransaction, Outbox } from '@posthorn/outbox'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { numbersOf, raisedOf } from './numbers.js'
import { orderContract } from './oneOrder.js'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

const orderPlaced = orderContract('orders')
const order = (orderId: string): { orderId: string; note: string } => ({ orderId, note: 'n' })
const quick = { listen: false, pollIntervalMs: 20, statsIntervalMs: 100, maxAttempts: 1 } as const

let sdk: Sdk
let telemetry: Telemetry
let store: MemoryStore
let outbox: Outbox<MemoryTransaction>
beforeEach(() => {
  sdk = createSdk()
  telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
  store = createMemoryStore({ partitionCount: 2 })
  outbox = createOutbox({ source: '/shop', store, logger: silentLogger })
})
afterEach(() => sdk.close())

const says = (name: string, expected: Record<string, number>): Promise<void> =>
  expect.poll(() => raisedOf(sdk, name)).toEqual(expected)

/** Takes everything but the key of the order `bad`. */
function choosy(): Transport {
  const transport = createMemory()
  return {
    ...transport,
    send: (target, message, options) =>
      message.partitionKey?.endsWith('bad') === true
        ? Promise.reject(new PublishError({ code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent', message: 'no' }))
        : transport.send(target, message, options),
  }
}

const storeOrders = (...keys: readonly string[]): Promise<unknown> =>
  store.transaction((tx) => outbox.publishMany(tx, orderPlaced, keys.map(order)))

test('a relay on its own shows what it relays, and what waits in the outbox', async () => {
  await using relay = createRelay({
    ...quick,
    store,
    transport: choosy(),
    logger: silentLogger,
    metrics: telemetry.metrics,
  })
  await storeOrders('a', 'bad', 'bad', 'b')
  const later = { notBefore: new Date(Date.now() + 3_600_000) }
  await store.transaction((tx) => outbox.publish(tx, orderPlaced, order('c'), later))
  await relay.start()
  expect(await numbersOf(sdk, 'posthorn.relay.ready')).toEqual({ '': 1 })
  expect(await numbersOf(sdk, 'posthorn.relay.leases')).toEqual({ '': 2 })
  expect(await numbersOf(sdk, 'posthorn.relay.window')).toEqual({ '': 1_000 })
  await says('posthorn.outbox.parked_keys', { '': 1 })
  await says('posthorn.outbox.depth', { '': 3 })
  await says('posthorn.outbox.scheduled', { '': 1 })
  expect((await numbersOf(sdk, 'posthorn.outbox.oldest_age'))['']).toBeGreaterThan(0)
  expect(await numbersOf(sdk, 'posthorn.relay.published')).toEqual({ '': 2 })
  expect(await raisedOf(sdk, 'posthorn.relay.events')).toMatchObject({ failed: 1, parked: 1, removed: 2, unrouted: 2 })
  const [point] = await sdk.points('posthorn.relay.published')
  expect(point?.attributes).toEqual({ 'messaging.system': 'memory' })
  await relay.stop()
  expect(await numbersOf(sdk, 'posthorn.relay.ready')).toEqual({ '': 0 })
  expect(await numbersOf(sdk, 'posthorn.relay.published')).toEqual({ '': 2 })
})

test('the numbers of a relay that cannot start are ended with it', async () => {
  const relay = createRelay({
    ...quick,
    store: { ...store, prepare: () => Promise.reject(new Error('no')) } as MemoryStore,
    transport: createMemory(),
    logger: silentLogger,
    metrics: telemetry.metrics,
  })
  await expect(relay.start()).rejects.toThrow('no')
  expect(await sdk.points('posthorn.relay.ready')).toEqual([])
  await relay.stop()
})

test('attached ones show theirs with the labels of the service', async () => {
  const service = createService({ source: '/shop', logger: silentLogger, transport: createMemory(), telemetry })
  const inbox = service.attach(createInbox({ store }))
  service.attach(createRelay({ ...quick, store }))
  service.consume('billing', { handlers: [handlersWith(inbox).on(orderPlaced, async () => {})] })
  await service.start()
  await storeOrders('a')
  await service.publish(orderPlaced, order('b'), { id: 'same' })
  await service.publish(orderPlaced, order('b'), { id: 'same' })
  await says('posthorn.inbox.handled', { '': 2 })
  await says('posthorn.inbox.duplicates', { '': 1 })
  expect(await numbersOf(sdk, 'posthorn.relay.published')).toEqual({ '': 1 })
  for (const name of ['posthorn.relay.published', 'posthorn.inbox.duplicates']) {
    const [point] = await sdk.points(name)
    expect(point?.attributes).toEqual({ 'posthorn.service': '/shop', 'messaging.system': 'memory' })
  }
  await service.stop()
  expect(await numbersOf(sdk, 'posthorn.relay.ready')).toEqual({ '': 0 })
  expect(await numbersOf(sdk, 'posthorn.inbox.duplicates')).toEqual({ '': 1 })
})

test('a part of your own measures with the labels of its service', async () => {
  const service = createService({ source: '/shop', logger: silentLogger, transport: createMemory(), telemetry })
  const facts = { unit: '{one}', description: 'For the test.', attributes: ['kind'] }
  service.attach({
    name: 'mine',
    start({ metrics }) {
      metrics!.counter({ ...facts, name: 'posthorn.test.counter' }).add(2, { kind: 'a' })
      metrics!.histogram({ ...facts, name: 'posthorn.test.histogram', buckets: [1] }).record(0.5)
      return Promise.resolve()
    },
    stop: () => Promise.resolve(),
    health: () => ({ ready: true, live: true, reasons: [] }),
  })
  await service.start()
  const labels = { 'posthorn.service': '/shop', 'messaging.system': 'memory' }
  expect(await sdk.points('posthorn.test.counter')).toMatchObject([{ value: 2, attributes: { ...labels, kind: 'a' } }])
  expect(await sdk.points('posthorn.test.histogram')).toMatchObject([{ attributes: labels }])
  await service.stop()
})

test('what is given as metrics and is none is refused', () => {
  const make = (): unknown => createRelay({ store, metrics: {} as never })
  expect(make).toThrow(expect.objectContaining({ code: 'POSTHORN_CONFIGURATION' }))
})
