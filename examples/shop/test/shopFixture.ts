import { silentLogger } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import type { OrderPlaced, UserRegistered } from '../src/contracts.js'
import { createOrderService } from '../src/orders/orderService.js'
import type { OrderService } from '../src/orders/orderService.js'
import { fateOf } from '../src/payments/cardNetwork.js'
import type { Fate } from '../src/payments/cardNetwork.js'
import { createUserService } from '../src/users/userService.js'
import type { UserService } from '../src/users/userService.js'

/** An order as it should be. */
export function soundOrder(changes: Partial<Record<keyof OrderPlaced, unknown>> = {}): OrderPlaced {
  return {
    orderId: 'o-1',
    userId: 'u-1',
    currency: 'EUR',
    placedAt: '2026-03-01T10:00:00Z',
    lines: [{ sku: 'horn', quantity: 2, unitPriceCents: 250 }],
    ...changes,
  } as OrderPlaced
}

export const soundUser: UserRegistered = {
  userId: 'u-1',
  email: 'ada@shop.example',
  registeredAt: '2026-03-01T09:00:00Z',
}

/** An order's id that has this fate. */
export function orderIdWith(fate: Fate, seed = 7, prefix = 'o-'): string {
  for (let number = 0; number < 100_000; number += 1) {
    if (fateOf(seed, `${prefix}${number}`) === fate) return `${prefix}${number}`
  }
  throw new Error(`no order is ${fate}`)
}

/** A user service and an order service on one broker in this process. */
export async function startShop(): Promise<{ users: UserService; orders: OrderService } & AsyncDisposable> {
  const broker = createMemoryBroker()
  const parts = (): { transport: ReturnType<typeof createMemory>; logger: typeof silentLogger } => ({
    transport: createMemory({ broker }),
    logger: silentLogger,
  })
  const users = createUserService(parts())
  const orders = createOrderService(parts())
  await Promise.all([users.service.start(), orders.service.start()])
  return {
    users,
    orders,
    async [Symbol.asyncDispose]() {
      await Promise.all([users.service.stop(), orders.service.stop()])
      broker.close()
    },
  }
}
