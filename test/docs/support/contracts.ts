import { defineCommand, defineEvent } from '@posthorn/core'

/** What the pages import from './contracts.js', unless they define it themselves. */
export const orderPlaced = defineEvent({
  type: 'com.example.shop.order.placed.v1',
  destination: 'orders',
  schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
  partitionKey: (order) => order.orderId,
})

export const orderPaid = defineEvent({
  type: 'com.example.shop.order.paid.v1',
  destination: 'payments',
  schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
  partitionKey: (order) => order.orderId,
})

export const chargeCard = defineCommand({
  type: 'com.example.shop.card.charge.v1',
  destination: 'cards',
  schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
})
