import { createService, on, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { acquireRabbitMq } from '../../../test/stack/src/index.js'
import type { RabbitMq } from '../../../test/stack/src/index.js'
import { numbersOf, raisedOf } from './numbers.js'
import { orderContract } from './oneOrder.js'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

const orderPlaced = orderContract('orders')
const order = { orderId: 'o-1', note: 'n' }

let broker: RabbitMq
let sdk: Sdk
let service: Service
let handled = 0
beforeAll(async () => {
  broker = await acquireRabbitMq({ fresh: true })
  sdk = createSdk()
  const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
  const transport = createRabbitMq({ urls: broker.urls, reconnect: { maxMs: 200 } })
  service = createService({ source: '/shop', logger: silentLogger, transport, telemetry, publishes: [orderPlaced] })
  const handler = on(orderPlaced, () => {
    handled += 1
    if (handled === 1) throw new Error('once')
  })
  service.consume('billing', { retry: { delaysMs: [10] }, handlers: [handler] })
  await service.start()
})
afterAll(async () => {
  await service.stop()
  await sdk.close()
  await broker.release()
})

/** Waits until a metric says what is expected. */
const says = (name: string, accepts: (numbers: Record<string, number>) => boolean): Promise<void> =>
  expect.poll(async () => accepts(await numbersOf(sdk, name)), { timeout: 60_000 }).toBe(true)

test('on RabbitMQ a retry through a rung is counted with its class, and the adapter tells its counts', async () => {
  await service.publish(orderPlaced, order)
  await says('posthorn.consumer.settled', (numbers) => numbers['billing handled'] === 1)
  expect(await raisedOf(sdk, 'posthorn.consumer.retries')).toEqual({ 'billing error': 1 })
  expect(await raisedOf(sdk, 'posthorn.consumer.settled')).toEqual({ 'billing handled': 1, 'billing retried': 1 })
  expect(await raisedOf(sdk, 'posthorn.transport.events')).toMatchObject({ confirmed: 2 })
  expect(Object.keys(await numbersOf(sdk, 'posthorn.event_loop.delay'))).toEqual([''])
  expect(await numbersOf(sdk, 'posthorn.transport.blocked_time')).toEqual({ '': 0 })
  const [point] = await sdk.points('posthorn.transport.reconnects')
  expect(point).toMatchObject({ value: 0, attributes: { 'posthorn.service': '/shop', 'messaging.system': 'rabbitmq' } })
})

test('on RabbitMQ an alarm is blocked time that grows while it lasts, and stands still when it is over', async () => {
  await broker.control!.ctl('set_vm_memory_high_watermark', '0.0001')
  const publishing = service.publish(orderPlaced, order)
  await says('posthorn.transport.state', (numbers) => numbers['blocked'] === 1)
  const early = (await numbersOf(sdk, 'posthorn.transport.blocked_time'))['']!
  await says('posthorn.transport.blocked_time', (numbers) => numbers['']! > early)
  await broker.control!.ctl('set_vm_memory_high_watermark', '0.4')
  await publishing
  await says('posthorn.transport.state', (numbers) => numbers['ready'] === 1 && numbers['blocked'] === 0)
  const total = (await numbersOf(sdk, 'posthorn.transport.blocked_time'))['']!
  expect(total).toBeGreaterThan(early)
  expect((await numbersOf(sdk, 'posthorn.transport.blocked_time'))['']).toBe(total)
  expect(await raisedOf(sdk, 'posthorn.transport.events')).toMatchObject({ blocked: 1 })
})

test('on RabbitMQ a broker that is killed and comes back is told as reconnects', { timeout: 180_000 }, async () => {
  await broker.control!.syncDeclarations()
  await broker.control!.kill()
  await says('posthorn.transport.state', (numbers) => numbers['connecting'] === 1)
  expect(await numbersOf(sdk, 'posthorn.service.ready')).toEqual({ '': 0 })
  await broker.control!.start()
  await says('posthorn.service.ready', (numbers) => numbers[''] === 1)
  // One for publishing, one for consuming.
  expect((await numbersOf(sdk, 'posthorn.transport.reconnects'))['']).toBeGreaterThanOrEqual(2)
})
