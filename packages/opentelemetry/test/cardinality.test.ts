import { createService, defineEvent, NonRetryableError, on, silentLogger, systemClock } from '@posthorn/core'
import type { EventContract, Service } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

const schema = { type: 'object', required: ['key'], properties: { key: { type: 'string' } } } as const
const contractAt = (destination: string): EventContract<{ key: string }> =>
  defineEvent.typed<{ key: string }>()({
    type: 'com.example.moved.v1',
    destination,
    schema,
    partitionKey: ({ key }) => key,
  })
const many = 10_000

let sdk: Sdk
let service: Service
beforeEach(() => {
  sdk = createSdk()
})
afterEach(async () => {
  await service.stop()
  await sdk.close()
})

/** Series of each metric; none of them is the SDK's own last resort. */
async function seriesOf(): Promise<Map<string, number>> {
  const all = await sdk.metrics()
  for (const { dataPoints } of all) {
    expect(dataPoints.filter(({ attributes }) => attributes['otel.metric.overflow'] === true)).toEqual([])
  }
  return new Map(all.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints.length]))
}

test('ten thousand keys, destinations and names of errors do not make ten thousand series', async () => {
  const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
  service = createService({ source: '/shop', logger: silentLogger, transport: createMemory(), telemetry })
  let handled = 0
  const fail = on(contractAt('moves'), ({ data }) => {
    handled += 1
    throw Object.assign(new NonRetryableError('no'), { name: `Error${data.key}`, code: undefined })
  })
  service.consume('billing', { order: { by: 'partitionKey' }, retry: { delaysMs: [] }, handlers: [fail] })
  await service.start()
  const keys = Array.from({ length: many }, (_, index) => ({ key: `k${index}` }))
  await service.publishMany(contractAt('moves'), keys)
  // A service would compile a schema for each.
  const transport = telemetry.observe(createMemory())
  const until = { deadline: Infinity }
  await transport.connect({ logger: silentLogger, clock: systemClock }, [], until)
  const message = { body: new Uint8Array(), contentType: '', id: 'm-1', type: 'com.example.a.v1', headers: {} }
  for (let index = 0; index < many; index += 1) {
    await transport.send({ destination: `moves-${index}` }, message, until)
  }
  await transport.close(0)
  await expect.poll(() => handled, { timeout: 60_000 }).toBe(many)
  await expect.poll(() => service.health().consumers[0]?.deadLettered, { timeout: 60_000 }).toBe(many)
  const series = await seriesOf()
  const most = [...series].filter(([, count]) => count > 40).map(([name]) => name)
  // Those have a destination or the name of an error: 500 of each, and what has none. A queue that is consumed is one, too.
  expect(most.toSorted()).toEqual([
    'messaging.client.operation.duration',
    'messaging.client.sent.messages',
    'messaging.process.duration',
  ])
  expect(series.get('messaging.client.sent.messages')).toBe(499 + 1)
  expect(series.get('messaging.process.duration')).toBe(500 + 1)
  expect([...series.values()].reduce((sum, count) => sum + count)).toBeLessThan(2_000)
}, 120_000)

test('random services, groups and topics are bounded together, and none of their numbers is lost', async () => {
  const { metrics } = createOpenTelemetry({ ...sdk.providers, maxNameCount: 10 })
  service = createService({ source: '/shop', logger: silentLogger, transport: createMemory() })
  const labels = ['posthorn.service', 'messaging.consumer.group.name', 'messaging.destination.name', 'error.type']
  for (const label of labels) {
    const facts = {
      name: `posthorn.test.${labels.indexOf(label)}`,
      unit: '{one}',
      description: '',
      attributes: [label],
    }
    metrics.observableGauge(facts, () =>
      Array.from({ length: many }, (_, index) => ({ value: 1, attributes: { [label]: `name-${index}` } })),
    )
  }
  for (const data of await sdk.metrics()) {
    expect(data.dataPoints).toHaveLength(11)
    expect(data.dataPoints.reduce((sum, { value }) => sum + (value as number), 0)).toBe(many)
  }
})

test('a telemetry that many services share bounds their names together', async () => {
  const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [], maxNameCount: 10 })
  for (let index = 0; index < 50; index += 1) {
    const of = { source: `/shop/${index}`, logger: silentLogger, transport: createMemory() }
    service = createService({ ...of, telemetry })
    let handled = 0
    service.consume(`group-${index}`, { handlers: [on(contractAt(`moves-${index}`), () => void (handled += 1))] })
    await service.start()
    await service.publish(contractAt(`moves-${index}`), { key: 'k' })
    await expect.poll(() => handled).toBe(1)
    await service.stop()
  }
  for (const [name, count] of await seriesOf()) expect(count, name).toBeLessThan(11 * 11)
  const sent = await sdk.points('messaging.client.sent.messages')
  expect(sent.map(({ value }) => value as number).reduce((sum, value) => sum + value)).toBe(50)
})
