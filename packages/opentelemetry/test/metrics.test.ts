import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectNoData } from './expectConventions.js'
import { orderContract, secret } from './oneOrder.js'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

const schema = { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } } as const
type Contract = ReturnType<typeof orderContract>
const contractAt = (destination: string, type = 'com.example.shop.order.placed.v1'): Contract =>
  defineEvent.typed<{ orderId: string; note: string }>()({
    type,
    destination,
    schema,
    partitionKey: (order) => order.orderId,
  })

let sdk: Sdk
let service: Service
beforeEach(() => {
  sdk = createSdk()
})
afterEach(async () => {
  await service.stop()
  await sdk.close()
})

const make = (options: object = {}, transport = createMemory()): void => {
  const telemetry = createOpenTelemetry({ ...sdk.providers, ...options })
  service = createService({ source: '/shop/checkout', logger: silentLogger, telemetry, transport })
}

test('ten thousand keys are one series', async () => {
  make({ spans: [] })
  const orders = contractAt('orders')
  let handled = 0
  service.consume('billing', { handlers: [on(orders, () => void (handled += 1))] })
  await service.start()
  const list = Array.from({ length: 10_000 }, (_, index) => ({ orderId: `o-${index}`, note: 'n' }))
  await service.publishMany(orders, list)
  await expect.poll(() => handled).toBe(10_000)
  expect((await sdk.points('messaging.client.sent.messages')).map(({ value }) => value)).toEqual([10_000])
  expect((await sdk.points('messaging.client.consumed.messages')).map(({ value }) => value)).toEqual([10_000])
})

test('destinations beyond the bound share one series without a name, and spans without one in theirs', async () => {
  make({ maxNameCount: 10 })
  await service.start()
  for (let index = 0; index < 1_000; index += 1) {
    await service.publish(contractAt(`orders-${index}`, `com.example.t${index}.v1`), { orderId: 'o-1', note: 'n' })
  }
  const points = await sdk.points('messaging.client.sent.messages')
  expect(points).toHaveLength(11)
  const nameless = points.filter(({ attributes }) => attributes['messaging.destination.name'] === undefined)
  expect(nameless.map(({ value }) => value)).toEqual([990])
  const last = sdk.spans('send').at(-1)!
  expect([last.name, last.attributes['messaging.destination.name']]).toEqual(['send', 'orders-999'])
})

test('errors are told by code or class, never by what they say', async () => {
  class CardDeclined extends Error {
    override name = 'CardDeclined'
  }
  class Chatty extends Error {
    override name = `no card of ${secret}`
  }
  const thrown = [new CardDeclined(secret), new Chatty(), secret, { code: 'POSTHORN_PUBLISH_DEADLINE' }, null]
  make()
  const orders = contractAt('orders')
  const rest = [...thrown]
  const fail = on(orders, () => {
    throw rest.shift()
  })
  service.consume('billing', { retry: { delaysMs: [] }, concurrency: 1, handlers: [fail] })
  await service.start()
  for (const _ of thrown) await service.publish(orders, { orderId: 'o-1', note: secret })
  await expect.poll(() => sdk.spans('settle')).toHaveLength(thrown.length)
  const types = sdk.spans('process').map(({ attributes }) => attributes['error.type'])
  expect(types).toEqual(['CardDeclined', '_OTHER', '_OTHER', 'POSTHORN_PUBLISH_DEADLINE', '_OTHER'])
  const points = await sdk.points('messaging.process.duration')
  expect(points.map(({ attributes }) => String(attributes['error.type'])).toSorted()).toEqual(
    ['CardDeclined', 'POSTHORN_PUBLISH_DEADLINE', '_OTHER'].toSorted(),
  )
  await expectNoData(sdk)
})

test('a message that the broker does not take is counted as attempted, with the code', async () => {
  const transport = createMemory()
  make(
    {},
    {
      ...transport,
      send: () => Promise.reject(Object.assign(new Error('full'), { code: 'POSTHORN_PUBLISH_REFUSED' })),
    },
  )
  await service.start()
  await expect(service.publish(contractAt('orders'), { orderId: 'o-1', note: 'n' })).rejects.toThrow('full')
  const [point] = await sdk.points('messaging.client.sent.messages')
  expect(point).toMatchObject({ value: 1, attributes: { 'error.type': 'POSTHORN_PUBLISH_REFUSED' } })
  expect(sdk.spans('send')[0]).toMatchObject({ status: { code: 2 } })
})

test('the port takes counters, histograms and gauges of others, until a gauge is ended', async () => {
  make()
  await service.start()
  const { metrics } = createOpenTelemetry(sdk.providers)
  const facts = { unit: '1', description: 'For the test', attributes: ['kind'] }
  metrics.counter({ ...facts, name: 'posthorn.test.counter' }).add(2, { kind: 'a' })
  metrics.histogram({ ...facts, name: 'posthorn.test.histogram', buckets: [1, 2] }).record(1.5)
  let reads = 0
  const endGauge = metrics.observableGauge({ ...facts, name: 'posthorn.test.gauge' }, () => {
    reads += 1
    return [{ value: 7, attributes: { kind: 'a' } }]
  })
  expect(await sdk.points('posthorn.test.counter')).toMatchObject([{ value: 2, attributes: { kind: 'a' } }])
  expect(await sdk.points('posthorn.test.histogram')).toMatchObject([
    { value: { buckets: { boundaries: [1, 2], counts: [0, 1, 0] } } },
  ])
  expect(await sdk.points('posthorn.test.gauge')).toMatchObject([{ value: 7, attributes: { kind: 'a' } }])
  const readsBefore = reads
  endGauge()
  await sdk.metrics()
  expect(reads).toBe(readsBefore)
})
