import { defineEvent } from '@posthorn/core'
import type { Contract } from '@posthorn/core'

/** The data of both events. */
export interface Order {
  readonly orderId: string
}

const schema = { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } }

export const placed: Contract<Order> = defineEvent.typed<Order>()({ type: 'placed.v1', destination: 'orders', schema })
export const paid: Contract<Order> = defineEvent.typed<Order>()({ type: 'paid.v1', destination: 'payments', schema })
