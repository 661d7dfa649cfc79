import { expect, test } from 'vitest'
import { createHarness } from '@posthorn/testing'
import type { AppHarness, Surroundings } from '@posthorn/testing'
import { orderPaid, orderPlaced, orderRejected } from '../../src/contracts.js'
import type { ServiceDatabase } from '../../src/database/shopDatabase.js'
import { createCardNetwork } from '../../src/payments/cardNetwork.js'
import type { Fate } from '../../src/payments/cardNetwork.js'
import { createPaymentWorker } from '../../src/payments/paymentWorker.js'
import type { PaymentWorker } from '../../src/payments/paymentWorker.js'
import { paymentTables } from '../../src/payments/paymentTables.js'
import { harnessOptions, usePglite, waitingOf } from '../shopDatabases.js'
import type { Waiting } from '../shopDatabases.js'
import { orderIdWith, soundOrder } from '../shopFixture.js'

const pglite = usePglite()

interface WorkerHarness extends AppHarness<PaymentWorker> {
  readonly database: ServiceDatabase
  /** What it has told. */
  told(type?: string): Promise<Waiting[]>
  payments(): Promise<unknown[]>
}

async function startWorker(): Promise<WorkerHarness> {
  const database = await pglite.open(paymentTables)
  const network = createCardNetwork(7)
  const make = (surroundings: Surroundings): PaymentWorker =>
    createPaymentWorker({ ...surroundings, network, database })
  const harness = await createHarness(make, harnessOptions())
  const { query, schema } = database
  const text = `select message_id, outcome, payment_id, amount_cents::int as cents from ${schema}.payments order by id`
  return {
    ...harness,
    database,
    told: (type) => waitingOf(database, type),
    payments: async () => (await query(text)).rows,
  }
}

async function charge(harness: WorkerHarness, fate: Fate, id?: string): Promise<string> {
  const orderId = orderIdWith(fate)
  await harness.deliver(orderPlaced, soundOrder({ orderId }), id === undefined ? {} : { id })
  await harness.idle()
  return orderId
}

test('an order is charged its total, and the payment is told', async () => {
  await using harness = await startWorker()
  const orderId = await charge(harness, 'fine', 'm-1')
  const [paid, ...others] = await harness.told()
  expect(others).toEqual([])
  expect(paid).toMatchObject({ data: { orderId, amountCents: 500, currency: 'EUR' }, causationid: 'm-1' })
  expect(await harness.payments()).toMatchObject([{ message_id: 'm-1', outcome: 'paid', cents: 500 }])
  expect(harness.deadLetters()).toEqual([])
})

test.each(['slow', 'busy', 'down'] as const)(
  'an order whose network is %s is charged once, after retries',
  async (fate) => {
    await using harness = await startWorker()
    const before = harness.clock.now()
    const orderId = await charge(harness, fate)
    expect((await harness.told(orderPaid.type)).map(({ data }) => data['orderId'])).toEqual([orderId])
    expect(await harness.payments()).toHaveLength(1)
    const waitedMs = harness.clock.now() - before
    expect(waitedMs).toBeGreaterThanOrEqual({ slow: 0, busy: 200, down: 1_200 }[fate])
    expect(waitedMs).toBeLessThan(2_000)
  },
)

test('a declined order is rejected, which is an answer and no dead letter', async () => {
  await using harness = await startWorker()
  const orderId = await charge(harness, 'declined')
  expect((await harness.told(orderRejected.type)).map(({ data }) => data['orderId'])).toEqual([orderId])
  expect(await harness.told(orderPaid.type)).toEqual([])
  expect(await harness.payments()).toMatchObject([{ outcome: 'declined', payment_id: null }])
  expect(harness.deadLetters()).toEqual([])
})

test.each([
  ['unusable', 'nonRetryable', 1],
  ['lost', 'retriesExhausted', 4],
] as const)(
  'an order that is %s is put aside as %s after %s attempts, and nothing is kept or told',
  async (fate, reason, attempts) => {
    await using harness = await startWorker()
    await charge(harness, fate)
    expect(harness.deadLetters()).toMatchObject([{ reason, attempts }])
    expect([await harness.told(), await harness.payments()]).toEqual([[], []])
  },
)

test('an order that is delivered three times is charged and told once', async () => {
  await using harness = await startWorker()
  for (let times = 0; times < 3; times += 1) await charge(harness, 'fine', 'm-1')
  expect(await harness.payments()).toHaveLength(1)
  expect(await harness.told()).toHaveLength(1)
})

test('an order that is placed twice is answered twice, with one payment', async () => {
  await using harness = await startWorker()
  await charge(harness, 'fine', 'm-1')
  await charge(harness, 'fine', 'm-2')
  const payments = (await harness.told(orderPaid.type)).map(({ data }) => data['paymentId'])
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
