import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rabbitMqSetup } from '../../../test/conformance/rabbitMqSetup.js'
import { expectCorrelation, expectMetrics, expectNoData, expectSpans } from './expectConventions.js'
import { seeOneOrder } from './oneOrder.js'
import { seeRetriedOrder } from './retriedOrder.js'
import { registerContexts, unregisterContexts } from './sdk.js'

const destination = `traced-${randomUUID().slice(0, 12)}`
const subscription = { destination, group: 'billing', rungsMs: [10] }
const setup = await rabbitMqSetup()

beforeAll(registerContexts)
afterAll(async () => {
  unregisterContexts()
  await setup.discard?.({ destinations: [destination], subscriptions: [subscription as never] })
})

test('on RabbitMQ names, kinds, attributes, links and metrics are those of the conventions', async () => {
  const transport = setup.createTransport()
  const server = new URL(transport.health().addresses[0]!.replace('amqp', 'http'))
  const known = { destination, host: server.hostname, port: Number(server.port) }
  const seen = await seeOneOrder(transport, destination)
  expectSpans(seen, 'rabbitmq', known)
  expectCorrelation(seen)
  await expectMetrics(seen, 'rabbitmq', known)
  await expectNoData(seen.sdk)
  await seen.sdk.close()
})

test('on RabbitMQ a retry and a dead letter are connected to the publish', async () => {
  const seen = await seeRetriedOrder(setup.createTransport(), destination)
  expect(seen.unconnected).toEqual([])
  expect(seen.sdk.spans('send').map(({ name }) => name)).toEqual([
    `send ${destination}:com.example.shop.order.placed.v1`,
    `send ${destination}.billing.retry.10`,
    `send ${destination}.billing.dead`,
  ])
  await seen.sdk.close()
})
