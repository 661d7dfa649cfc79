import { defineEvent } from '@posthorn/core'
import type { EventContract } from '@posthorn/core'

/** The data of the benchmark: an order of about 1 KiB as JSON. */
export interface Order {
  readonly orderId: string
  readonly userId: string
  readonly currency: string
  readonly placedAt: string
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly unitPriceCents: number }[]
  readonly note: string
}

const text = { type: 'string', minLength: 1, maxLength: 200 }

/** The same JSON Schema for ours and for the work by hand. */
export const orderSchema = {
  type: 'object',
  required: ['orderId', 'userId', 'currency', 'placedAt', 'lines'],
  properties: {
    orderId: { type: 'string', format: 'uuid' },
    userId: text,
    currency: { enum: ['EUR', 'USD', 'CNY'] },
    placedAt: { type: 'string', format: 'date-time' },
    lines: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: {
        type: 'object',
        required: ['sku', 'quantity', 'unitPriceCents'],
        properties: {
          sku: text,
          quantity: { type: 'integer', minimum: 1 },
          unitPriceCents: { type: 'integer', minimum: 0 },
        },
      },
    },
    note: { type: 'string' },
  },
}

/** One contract of many that share the schema; `keyed` gives it the order's id as partition key. */
export function orderContract(
  destination: string,
  options: { version?: number; keyed?: boolean } = {},
): EventContract<Order> {
  return defineEvent.typed<Order>()({
    type: `com.example.bench.order.placed.v${options.version ?? 1}`,
    destination,
    schema: orderSchema,
    ...(options.keyed ? { partitionKey: (order) => order.userId } : {}),
  })
}

/** An order whose user is one of `keys`. */
export function makeOrder(index: number, keys = 1): Order {
  return {
    orderId: `0191e6a2-7c1f-7abc-8def-${String(index % 1_000_000_000).padStart(12, '0')}`,
    userId: `user-${index % keys}`,
    currency: 'EUR',
    placedAt: '2026-11-21T08:00:00.000Z',
    lines: Array.from({ length: 10 }, (_, line) => ({
      sku: `SKU-${line}-${index % 1000}`,
      quantity: line + 1,
      unitPriceCents: 1999 + line,
    })),
    note: 'Please leave the parcel with the neighbours on the second floor. '.repeat(5),
  }
}
