import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kafkaSetup } from '../../../test/conformance/kafkaSetup.js'
import { expectCorrelation, expectMetrics, expectNoData, expectSpans } from './expectConventions.js'
import { seeOneOrder } from './oneOrder.js'
import { seeRetriedOrder } from './retriedOrder.js'
import { registerContexts, unregisterContexts } from './sdk.js'

const destinations = ['plain', 'retried'].map((name) => `traced-${name}-${randomUUID().slice(0, 12)}`)
const [plain, retried] = destinations as [string, string]
const setup = kafkaSetup('kafkajs')

beforeAll(registerContexts)
afterAll(async () => {
  unregisterContexts()
  await setup.discard?.({ destinations, subscriptions: [] })
})

test('on Kafka names, kinds, attributes, links and metrics are those of the conventions', async () => {
  const transport = setup.createTransport()
  const [host = '', port] = transport.health().addresses[0]!.split(':')
  const known = { destination: plain, host, port: Number(port) }
  const seen = await seeOneOrder(transport, plain)
  expectSpans(seen, 'kafka', known)
  expectCorrelation(seen)
  await expectMetrics(seen, 'kafka', known)
  await expectNoData(seen.sdk)
  await seen.sdk.close()
})

test('on Kafka a retry and a dead letter are connected to the publish', async () => {
  const seen = await seeRetriedOrder(setup.createTransport(), retried)
  expect(seen.unconnected).toEqual([])
  expect(seen.sdk.spans('send').map(({ name }) => name)).toEqual([
    `send ${retried}`,
    `send ${retried}.billing.retry.10`,
    `send ${retried}.billing.dead`,
  ])
  await seen.sdk.close()
})
