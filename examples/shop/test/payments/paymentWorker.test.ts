import { expect, test } from 'vitest'
import { createHarness } from '@posthorn/testing'
import { orderPaid, orderPlaced, orderRejected } from '../../src/contracts.js'
import { createCardNetwork } from '../../src/payments/cardNetwork.js'
import type { Fate } from '../../src/payments/cardNetwork.js'
import { createPaymentWorker } from '../../src/payments/paymentWorker.js'
import { orderIdWith, soundOrder } from '../shopFixture.js'

type WorkerHarness = Awaited<ReturnType<typeof startWorker>>

const startWorker = () =>
  // The type follows from the factory.
  createHarness((surroundings) => createPaymentWorker({ ...surroundings, network: createCardNetwork(7) }))

async function charge(harness: WorkerHarness, fate: Fate): Promise<string> {
  const orderId = orderIdWith(fate)
  await harness.deliver(orderPlaced, soundOrder({ orderId }))
  await harness.idle()
  return orderId
}

test('an order is charged its total', async () => {
  await using harness = await startWorker()
  const orderId = await charge(harness, 'fine')
  const [paid, ...others] = harness.published(orderPaid)
  expect(others).toEqual([])
  expect(paid!.data).toMatchObject({ orderId, amountCents: 500, currency: 'EUR' })
  expect(harness.deadLetters()).toEqual([])
})

test.each(['slow', 'busy', 'down'] as const)(
  'an order whose network is %s is charged once, after retries',
  async (fate) => {
    await using harness = await startWorker()
    const before = harness.clock.now()
    const orderId = await charge(harness, fate)
    expect(harness.published(orderPaid).map(({ data }) => data.orderId)).toEqual([orderId])
    const waitedMs = harness.clock.now() - before
    expect(waitedMs).toBeGreaterThanOrEqual({ slow: 0, busy: 200, down: 1_200 }[fate])
    expect(waitedMs).toBeLessThan(2_000)
  },
)

test('a declined order is rejected, which is an answer and no dead letter', async () => {
  await using harness = await startWorker()
  const orderId = await charge(harness, 'declined')
  expect(harness.published(orderRejected).map(({ data }) => data.orderId)).toEqual([orderId])
  expect(harness.published(orderPaid)).toEqual([])
  expect(harness.deadLetters()).toEqual([])
})

test.each([
  ['unusable', 'nonRetryable', 1],
  ['lost', 'retriesExhausted', 4],
] as const)(
  'an order that is %s is put aside as %s after %s attempts, and nothing is told',
  async (fate, reason, attempts) => {
    await using harness = await startWorker()
    await charge(harness, fate)
    expect(harness.deadLetters()).toMatchObject([{ reason, attempts }])
    expect(harness.published()).toEqual([])
  },
)

test('an order that is delivered twice is paid with one payment', async () => {
  await using harness = await startWorker()
  await charge(harness, 'fine')
  await charge(harness, 'fine')
  const payments = harness.published(orderPaid).map(({ data }) => data.paymentId)
  expect(payments).toHaveLength(2)
  expect(new Set(payments).size).toBe(1)
})

test('a message that is no order is put aside with its bytes', async () => {
  await using harness = await startWorker()
  const body = Buffer.from('not an order')
  await harness.deliverRaw(orderPlaced.destination, { type: orderPlaced.type, contentType: 'text/plain', body })
  await harness.idle()
  const [dead] = harness.deadLetters()
  expect(dead).toMatchObject({ reason: 'foreign' })
  expect(Buffer.from(dead!.body!).toString()).toBe('not an order')
})
