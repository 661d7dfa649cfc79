import { expect, test } from 'vitest'
import { createHarness } from '@posthorn/testing'
import type { AppHarness, Surroundings } from '@posthorn/testing'
import { orderPaid, orderPlaced, orderRejected, userRegistered } from '../../src/contracts.js'
import type { ServiceDatabase } from '../../src/database/shopDatabase.js'
import { createOrderService } from '../../src/orders/orderService.js'
import type { OrderService } from '../../src/orders/orderService.js'
import { orderTables } from '../../src/orders/orderTables.js'
import { harnessOptions, usePglite, waitingOf } from '../shopDatabases.js'
import { soundOrder, soundUser } from '../shopFixture.js'

const pglite = usePglite()

type OrdersHarness = AppHarness<OrderService> & { readonly database: ServiceDatabase }

async function startOrders(given?: ServiceDatabase): Promise<OrdersHarness> {
  const database = given ?? (await pglite.open(orderTables))
  const make = (surroundings: Surroundings): OrderService => createOrderService({ ...surroundings, database })
  const harness = await createHarness(make, harnessOptions())
  return { ...harness, database }
}

async function rowsOf({ query, schema }: ServiceDatabase): Promise<unknown[]> {
  return (await query(`select message_id, status, answers from ${schema}.orders order by message_id`)).rows
}

test('an order is taken once its user is known, together with the event that tells of it', async () => {
  await using harness = await startOrders()
  const { app: orders, database } = harness
  await expect(orders.place(soundOrder())).rejects.toMatchObject({ code: 'SHOP_UNKNOWN_USER' })
  await harness.deliver(userRegistered, soundUser)
  await harness.idle()
  await orders.place(soundOrder(), { id: 'm-1' })
  expect(await waitingOf(database)).toMatchObject([{ id: 'm-1', data: soundOrder() }])
  expect(await rowsOf(database)).toEqual([{ message_id: 'm-1', status: 'placed', answers: 0 }])
  expect(await orders.statusOf('o-1')).toBe('placed')
})

test('placing an order again with the same id does nothing, and without one tells of it again', async () => {
  await using harness = await startOrders()
  const { app: orders, database } = harness
  orders.users.add('u-1')
  for (const id of ['m-1', 'm-1', 'm-2']) await orders.place(soundOrder(), { id })
  expect((await waitingOf(database)).map(({ id }) => id)).toEqual(['m-1', 'm-2'])
  expect(await rowsOf(database)).toHaveLength(2)
})

test('an order whose transaction fails leaves neither a row nor an event', async () => {
  await using harness = await startOrders()
  const { database } = harness
  const { store } = database
  const failing = {
    ...store,
    transaction: <Result>(work: Parameters<typeof store.transaction<Result>>[0]) =>
      store.transaction<Result>(async (tx) => {
        await work(tx)
        throw new Error('the connection broke before the commit')
      }),
  }
  await using second = await startOrders({ ...database, store: failing })
  second.app.users.add('u-1')
  await expect(second.app.place(soundOrder())).rejects.toThrow('the connection broke')
  expect([await waitingOf(database), await rowsOf(database)]).toEqual([[], []])
})

test('an order follows the outcome of its own placing, once for each outcome', async () => {
  await using harness = await startOrders()
  const { app: orders } = harness
  orders.users.add('u-1')
  for (const id of ['a', 'b', 'c']) await orders.place(soundOrder({ orderId: `o-${id}` }), { id: `m-${id}` })
  const time = new Date() // Of every copy of a message.
  const paidAt = '2026-03-01T10:00:01Z'
  const paid = { orderId: 'o-a', paymentId: 'p', amountCents: 5, currency: 'EUR', paidAt } as const
  for (let times = 0; times < 3; times += 1) {
    await harness.deliver(orderPaid, paid, { id: 'same', time, causationId: 'm-a' })
    await harness.idle()
  }
  await harness.deliver(orderRejected, { orderId: 'o-b', reason: 'no', rejectedAt: paidAt }, { causationId: 'm-b' })
  await harness.idle()
  const statuses = await Promise.all(['o-a', 'o-b', 'o-c', 'o-d'].map((id) => orders.statusOf(id)))
  expect(statuses).toEqual(['paid', 'rejected', 'placed', undefined])
  expect(await rowsOf(harness.database)).toMatchObject([{ answers: 1 }, { answers: 1 }, { answers: 0 }])
})

test('what a service knows outlives it', async () => {
  const first = await startOrders()
  await first.deliver(userRegistered, soundUser)
  await first.idle()
  await first[Symbol.asyncDispose]()
  await using second = await startOrders(first.database)
  await second.app.place(soundOrder())
  expect(await second.app.statusOf('o-1')).toBe('placed')
})

test.each([
  [{ lines: [] }, '/data/lines'],
  [{ lines: Array.from({ length: 101 }, () => soundOrder().lines[0]) }, '/data/lines'],
  [{ currency: 'GBP' }, '/data/currency'],
  [{ orderId: '' }, '/data/orderId'],
  [{ placedAt: '2026-02-30T10:00:00Z' }, '/data/placedAt'],
])('an invalid order is refused with the place, and nothing is kept (%#)', async (changes, pointer) => {
  await using harness = await startOrders()
  harness.app.users.add('u-1')
  const placing = harness.app.place(soundOrder(changes))
  await expect(placing).rejects.toMatchObject({ code: 'POSTHORN_INVALID_DATA', issues: [{ pointer }] })
  expect(await waitingOf(harness.database)).toEqual([])
  expect(await harness.app.statusOf('o-1')).toBeUndefined()
})

test('an order may have properties that nobody knows here', async () => {
  await using harness = await startOrders()
  harness.app.users.add('u-1')
  await harness.app.place({ ...soundOrder(), channel: 'phone' })
  expect(await waitingOf(harness.database, orderPlaced.type)).toMatchObject([{ data: { channel: 'phone' } }])
})

test('an order that no broker message can hold is refused before it is kept', async () => {
  const database = await pglite.open(orderTables)
  await using harness = await createHarness(({ transport, ...rest }) => {
    const small = { ...transport, capabilities: { ...transport.capabilities, maxBodyBytes: 1_000 } }
    return createOrderService({ ...rest, transport: small, database })
  })
  harness.app.users.add('u-1')
  const placing = harness.app.place(soundOrder({ note: 'x'.repeat(2_000) }))
  await expect(placing).rejects.toMatchObject({ code: 'POSTHORN_TOO_LARGE' })
  expect(await waitingOf(database)).toEqual([])
})
