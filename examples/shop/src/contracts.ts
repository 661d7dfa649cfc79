/*
 * What the services of the shop say to each other. Teams would share this file as a package of its own: it needs
 * `@posthorn/contracts` and the schemas, no broker.
 */
import { defineEvent } from '@posthorn/contracts'
import type { DataOf } from '@posthorn/contracts'
import { orderPaidSchema, orderPlacedSchema, orderRejectedSchema, userRegisteredSchema } from '@posthorn/schemas'
import { idKey } from './idKey.js'

export type UserRegistered = DataOf<typeof userRegisteredSchema>
export type OrderPlaced = DataOf<typeof orderPlacedSchema>
export type OrderPaid = DataOf<typeof orderPaidSchema>
export type OrderRejected = DataOf<typeof orderRejectedSchema>

/** Told by the user service. */
export const userRegistered = defineEvent({
  type: 'com.example.shop.user.registered.v1',
  destination: 'shop.users',
  schema: userRegisteredSchema,
  partitionKey: (user) => idKey(user.userId),
})

/** Told by the order service: the payment worker charges it. */
export const orderPlaced = defineEvent({
  type: 'com.example.shop.order.placed.v1',
  destination: 'shop.orders',
  schema: orderPlacedSchema,
  partitionKey: (order) => idKey(order.orderId),
})

/** Told by the payment worker. */
export const orderPaid = defineEvent({
  type: 'com.example.shop.order.paid.v1',
  destination: 'shop.payments',
  schema: orderPaidSchema,
  partitionKey: (payment) => idKey(payment.orderId),
})

/** Told by the payment worker: the card was declined for good. */
export const orderRejected = defineEvent({
  type: 'com.example.shop.order.rejected.v1',
  destination: 'shop.payments',
  schema: orderRejectedSchema,
  partitionKey: (order) => idKey(order.orderId),
})
