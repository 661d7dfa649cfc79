import type { OrderPlaced, UserRegistered } from '../src/contracts.js'
import { fateOf } from '../src/payments/cardNetwork.js'
import type { Fate } from '../src/payments/cardNetwork.js'

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
