import { createService, on, silentLogger } from '@posthorn/core'
import type { Consumer, Handler, Service } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { addressFrom } from '../../../test/conformance/addressFrom.js'
import { kafkaSetup } from '../../../test/conformance/kafkaSetup.js'
import { numbersOf, raisedOf } from './numbers.js'
import { orderContract } from './oneOrder.js'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

const brokers = addressFrom('POSTHORN_KAFKA_BROKERS').split(',')
const destinations: string[] = []
type Order = { orderId: string; note: string }

let sdk: Sdk
let service: Service
beforeEach(() => {
  sdk = createSdk()
})
afterEach(async () => {
  await service.stop()
  await sdk.close()
})
afterAll(() => kafkaSetup('kafkajs').discard?.({ destinations, subscriptions: [] }))

/** A service that consumes what it publishes, from one partition. */
async function start(
  handler: Handler<Order>,
): Promise<{ topic: string; publish: () => Promise<void>; group: Consumer }> {
  const topic = `numbers-${randomUUID().slice(0, 12)}`
  destinations.push(topic)
  const orderPlaced = orderContract(topic)
  const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
  const transport = createKafka({ brokers, partitions: 1, watchdogIntervalMs: 200 })
  service = createService({ source: '/shop', logger: silentLogger, transport, telemetry, publishes: [orderPlaced] })
  const retry = { delaysMs: [10] }
  const group = service.consume('billing', { retry, concurrency: 4, handlers: [on(orderPlaced, handler)] })
  await service.start()
  return {
    topic,
    group,
    publish: async () => void (await service.publish(orderPlaced, { orderId: 'o-1', note: 'n' })),
  }
}

const says = (name: string, accepts: (numbers: Record<string, number>) => boolean): Promise<void> =>
  expect.poll(async () => accepts(await numbersOf(sdk, name)), { timeout: 60_000 }).toBe(true)

test('on Kafka a paused consumer has a lag, which it works off later; a retry is counted with its class', async () => {
  let handled = 0
  const { topic, publish, group } = await start(() => {
    handled += 1
    if (handled === 1) throw new Error('once')
  })
  group.pause()
  for (let count = 0; count < 5; count += 1) await publish()
  await says('posthorn.kafka.lag', (numbers) => numbers[`billing ${topic}`] === 5)
  const points = await sdk.points('posthorn.kafka.lag')
  expect(points.map(({ attributes }) => attributes)).toContainEqual({
    'posthorn.service': '/shop',
    'messaging.system': 'kafka',
    'messaging.consumer.group.name': 'billing',
    'messaging.destination.name': topic,
  })
  group.resume()
  await says('posthorn.consumer.settled', (numbers) => numbers['billing handled'] === 5)
  await says('posthorn.kafka.lag', (numbers) => Object.values(numbers).every((lag) => lag === 0))
  expect(Object.keys(await numbersOf(sdk, 'posthorn.kafka.lag'))).toContain(`billing ${topic}.billing.retry.10`)
  expect(await raisedOf(sdk, 'posthorn.consumer.retries')).toEqual({ 'billing error': 1 })
  expect(await raisedOf(sdk, 'posthorn.transport.events')).toMatchObject({ confirmed: 6 })
  expect(Object.keys(await numbersOf(sdk, 'posthorn.event_loop.delay'))).toEqual([''])
})

test('on Kafka finished messages behind one that does not end have a commit age, until it ends', async () => {
  let calls = 0
  let end = (): void => {}
  const ended = new Promise<void>((resolve) => (end = resolve))
  const { topic, publish } = await start(() => {
    calls += 1
    return calls === 1 ? ended : undefined
  })
  for (let count = 0; count < 3; count += 1) await publish()
  await says('posthorn.consumer.settled', (numbers) => numbers['billing handled'] === 2)
  const name = `billing ${topic}`
  const early = (await numbersOf(sdk, 'posthorn.kafka.commit_age'))[name]!
  await says('posthorn.kafka.commit_age', (numbers) => numbers[name]! > early)
  expect((await numbersOf(sdk, 'posthorn.consumer.oldest_age'))['billing']).toBeGreaterThan(early)
  end()
  await says('posthorn.kafka.commit_age', (numbers) => numbers[name] === 0)
  await says('posthorn.kafka.lag', (numbers) => numbers[name] === 0)
})
