import { setTimeout as sleep } from 'node:timers/promises'
import { createService, on } from '@posthorn/core'
import type { Contract, Logger, Service } from '@posthorn/core'
import type { Transports } from '../broker/transports.js'
import { withPrefix } from '../broker/withPrefix.js'
import { orderPaid, orderPlaced } from '../contracts.js'
import type { OrderPlaced } from '../contracts.js'
import { ShopError } from '../shopError.js'
import type { ServiceName, Trace } from './trace.js'

export interface OneOrderParts {
  /** The broker on which orders are placed and charged. */
  readonly orders: Transports
  /** Another, on which the rest of the company hears of payments. */
  readonly payments: Transports
  readonly logger: Logger
  readonly trace: Trace
  /** Before every destination, so that nobody else's order is in the picture. */
  readonly prefix: string
}

/** The span under which the order is placed. */
export const placeOrder = 'place order'

const order: OrderPlaced = {
  orderId: 'o-1',
  userId: 'u-1',
  currency: 'EUR',
  placedAt: '2026-01-01T00:00:00.000Z',
  lines: [{ sku: 'horn-brass', quantity: 1, unitPriceCents: 3_374 }],
}
const retryAfterMs = 150
const longestMs = 60_000

/**
 * Places one order on one broker. The payment worker fails to charge it at first, charges it when it comes again, and
 * tells so on the other broker, where an auditor hears of it. Resolves when all of that has happened and is settled.
 */
export async function placeOneOrder({ orders, payments, logger, trace, prefix }: OneOrderParts): Promise<void> {
  const make = (name: ServiceName, transports: Transports, publishes: readonly Contract[] = []): Service =>
    createService({
      source: `/shop/${name}`,
      transport: withPrefix(transports.create(), prefix),
      telemetry: trace.telemetryOf(name),
      publishes,
      logger,
    })
  const shop = make('orders', orders, [orderPlaced])
  const worker = make('payments', orders)
  const payer = make('payments', payments, [orderPaid])
  const auditor = make('auditor', payments)

  worker.consume('payments', {
    handlers: [
      on(orderPlaced, async ({ data }, context) => {
        if (context.attempt === 1) throw new Error('The card network did not answer')
        const { orderId, currency } = data
        const paidAt = new Date().toISOString()
        await payer.publish(orderPaid, { orderId, paymentId: 'p-1', amountCents: 3_374, currency, paidAt })
      }),
    ],
    retry: { delaysMs: [retryAfterMs] },
  })
  const heard = new Promise<void>((resolve) => {
    auditor.consume('auditor', { handlers: [on(orderPaid, () => resolve())] })
  })

  const services = [auditor, payer, worker, shop]
  try {
    for (const service of services) await service.start()
    await trace.underSpan(placeOrder, () => shop.publish(orderPlaced, order))
    await Promise.race([heard, tooLate()])
  } finally {
    for (const service of services.toReversed()) await service.stop()
  }
}

async function tooLate(): Promise<never> {
  await sleep(longestMs, undefined, { ref: false })
  throw new ShopError('SHOP_STALLED', `The order was not audited within ${longestMs / 1_000} s`)
}
