import { expect, test } from 'vitest'
import { createHarness } from '@posthorn/testing'
import { orderPaid, orderPlaced, orderRejected, userRegistered } from '../../src/contracts.js'
import { createOrderService } from '../../src/orders/orderService.js'
import { soundOrder, soundUser } from '../shopFixture.js'

const startOrders = () => createHarness((surroundings) => createOrderService(surroundings)) // The type follows.

test('an order is taken once its user is known', async () => {
  await using harness = await startOrders()
  const { app: orders } = harness
  await expect(orders.place(soundOrder())).rejects.toMatchObject({ code: 'SHOP_UNKNOWN_USER' })
  await harness.deliver(userRegistered, soundUser)
  await harness.idle()
  await orders.place(soundOrder())
  expect(harness.published(orderPlaced).map(({ data }) => data)).toEqual([soundOrder()])
  expect(orders.statusOf('o-1')).toBe('placed')
})

test('an order follows its payment', async () => {
  await using harness = await startOrders()
  const { app: orders } = harness
  const paidAt = '2026-03-01T10:00:01Z'
  await harness.deliver(orderPaid, { orderId: 'a', paymentId: 'p', amountCents: 5, currency: 'EUR', paidAt })
  await harness.deliver(orderRejected, { orderId: 'b', reason: 'declined', rejectedAt: paidAt })
  await harness.idle()
  expect([orders.statusOf('a'), orders.statusOf('b'), orders.statusOf('c')]).toEqual(['paid', 'rejected', undefined])
})

test.each([
  [{ lines: [] }, '/data/lines'],
  [{ lines: Array.from({ length: 101 }, () => soundOrder().lines[0]) }, '/data/lines'],
  [{ currency: 'GBP' }, '/data/currency'],
  [{ orderId: '' }, '/data/orderId'],
  [{ placedAt: '2026-02-30T10:00:00Z' }, '/data/placedAt'],
])('an invalid order is refused with the place, and nothing is told (%#)', async (changes, pointer) => {
  await using harness = await startOrders()
  harness.app.users.add('u-1')
  const placing = harness.app.place(soundOrder(changes))
  await expect(placing).rejects.toMatchObject({ code: 'POSTHORN_INVALID_DATA', issues: [{ pointer }] })
  expect(harness.published()).toEqual([])
  expect(harness.app.statusOf('o-1')).toBeUndefined()
})

test('an order may have properties that nobody knows here', async () => {
  await using harness = await startOrders()
  harness.app.users.add('u-1')
  await harness.app.place({ ...soundOrder(), channel: 'phone' })
  expect(harness.published(orderPlaced)).toMatchObject([{ data: { channel: 'phone' } }])
})
