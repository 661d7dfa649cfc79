import { on, systemClock } from '@posthorn/core'
import type { DeadLetterSource, Service } from '@posthorn/core'
import { orderPaid, orderPlaced, orderRejected } from '../contracts.js'
import type { OrderPlaced } from '../contracts.js'
import { createShopService } from '../shopService.js'
import type { ShopServiceOptions } from '../shopService.js'
import type { CardNetwork } from './cardNetwork.js'

export interface PaymentWorkerOptions extends ShopServiceOptions {
  readonly network: CardNetwork
}

/** Charges every order, once or until the ladder ends, and tells what came of it. */
export interface PaymentWorker {
  readonly service: Service
}

/** Where the orders lie that could not be charged. */
export const paymentDeadLetters: DeadLetterSource = { destination: orderPlaced.destination, group: 'payments' }

/** Short, so that the demo takes seconds; a real card network deserves minutes. */
const delaysMs = [0, 200, 1_000]

/**
 * A decline is an answer: `orderRejected` tells it, and the message is done. Only what nobody can answer (an unusable
 * card, a network that stays silent) becomes a dead letter, for people to look at.
 */
export function createPaymentWorker(options: PaymentWorkerOptions): PaymentWorker {
  const service = createShopService('/shop/payments', options, [orderPaid, orderRejected])
  const { network, clock = systemClock } = options

  service.consume(paymentDeadLetters.group, {
    handlers: [
      on(orderPlaced, async ({ data }, context) => {
        const { orderId, currency } = data
        const amountCents = totalOf(data)
        const answer = await network.charge({ orderId, amountCents, attempt: context.attempt })
        const now = new Date(clock.now()).toISOString()
        if (answer.kind === 'declined') {
          await context.publish(orderRejected, { orderId, reason: answer.reason, rejectedAt: now })
        } else {
          await context.publish(orderPaid, { orderId, paymentId: answer.paymentId, amountCents, currency, paidAt: now })
        }
      }),
    ],
    retry: { delaysMs },
    concurrency: 128, // Each call waits for a confirmation, not for the CPU.
    maxInFlight: 1_000,
    middleware: options.middleware ?? [],
  })
  return { service }
}

function totalOf(order: OrderPlaced): number {
  return order.lines.reduce((sum, line) => sum + line.quantity * line.unitPriceCents, 0)
}
