import { on } from '@posthorn/core'
import type { PublishOptions, Service } from '@posthorn/core'
import { orderPaid, orderPlaced, orderRejected, userRegistered } from '../contracts.js'
import type { OrderPlaced } from '../contracts.js'
import { idKey } from '../idKey.js'
import { createNewest } from '../newest.js'
import { ShopError } from '../shopError.js'
import { createShopService } from '../shopService.js'
import type { ShopServiceOptions } from '../shopService.js'
import { createKnownUsers } from './knownUsers.js'
import type { KnownUsers } from './knownUsers.js'

/** Where an order stands. */
export type OrderStatus = 'placed' | 'paid' | 'rejected'

/** Takes orders of known users, and follows what becomes of them. */
export interface OrderService {
  readonly service: Service
  readonly users: KnownUsers
  /**
   * Resolves when the broker has confirmed the order. Rejects with `SHOP_UNKNOWN_USER`, or as `publish` does: the
   * contract's schema decides what an order is. An order that is placed twice is told twice, and charged once: its id is
   * the idempotency key of the payment.
   */
  place(order: unknown, options?: PublishOptions): Promise<void>
  statusOf(orderId: string): OrderStatus | undefined
}

const maxOrders = 10_000

export function createOrderService(options: ShopServiceOptions): OrderService {
  const service = createShopService('/shop/orders', options, [orderPlaced])
  const users = createKnownUsers()
  const statuses = createNewest<OrderStatus>(maxOrders)

  service.consume('orders', {
    handlers: [
      on(userRegistered, ({ data }) => users.add(data.userId)),
      on(orderPaid, ({ data }) => statuses.set(idKey(data.orderId), 'paid')),
      on(orderRejected, ({ data }) => statuses.set(idKey(data.orderId), 'rejected')),
    ],
    retry: { delaysMs: [0, 1_000] }, // Its handlers have little to fail at; each delay is a queue or a topic.
    maxInFlight: 1_000,
    middleware: options.middleware ?? [],
  })

  return {
    service,
    users,
    async place(order, publishOptions) {
      const userId = userIdOf(order)
      if (userId !== undefined && !users.has(userId)) {
        throw new ShopError('SHOP_UNKNOWN_USER', '/userId names a user who is not registered')
      }
      await service.publish(orderPlaced, order as OrderPlaced, publishOptions)
      // The payment may have been quicker than our confirmation.
      const key = idKey((order as OrderPlaced).orderId)
      if (statuses.get(key) === undefined) statuses.set(key, 'placed')
    },
    statusOf: (orderId) => statuses.get(idKey(orderId)),
  }
}

/** The user of what may be an order; undefined leaves it to the schema to say what is wrong. */
export function userIdOf(order: unknown): string | undefined {
  if (typeof order !== 'object' || order === null) return undefined
  const { userId } = order as { readonly userId?: unknown }
  return typeof userId === 'string' && userId !== '' ? userId : undefined
}
