import { systemClock } from '@posthorn/core'
import type { DeadLetterSource, Service } from '@posthorn/core'
import { handlersWith } from '@posthorn/outbox'
import type { Queries } from '../database/shopDatabase.js'
import { orderPaid, orderPlaced, orderRejected } from '../contracts.js'
import type { OrderPlaced } from '../contracts.js'
import { idKey } from '../idKey.js'
import { createStoringService } from '../shopService.js'
import type { StoringServiceOptions } from '../shopService.js'
import type { CardNetwork, ChargeAnswer } from './cardNetwork.js'

export interface PaymentWorkerOptions extends StoringServiceOptions {
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
 * The payment and the event that tells of it are one transaction, together with the inbox's note that this order was handled:
 * all of it or nothing, and only once. A decline is an answer: `orderRejected` tells it, and the message is done. Only
 * what nobody can answer (an unusable card, a network that stays silent) becomes a dead letter, for people to look at.
 */
export function createPaymentWorker(options: PaymentWorkerOptions): PaymentWorker {
  const { network, database, clock = systemClock } = options
  const { service, inbox } = createStoringService('/shop/payments', options, [orderPaid, orderRejected])
  const inTransaction = handlersWith(inbox)

  service.consume(paymentDeadLetters.group, {
    handlers: [
      inTransaction.on(orderPlaced, async ({ data, envelope }, context) => {
        const { orderId, currency } = data
        const amountCents = totalOf(data)
        // No rollback takes this back: the network's own idempotency key, the order's id, is what makes it happen once.
        const answer = await network.charge({ orderId, amountCents, attempt: context.attempt })
        await record(context.tx, { messageId: envelope.id, orderId, amountCents, answer })
        const now = new Date(clock.now()).toISOString()
        if (answer.kind === 'declined') {
          await context.publish(orderRejected, { orderId, reason: answer.reason, rejectedAt: now })
        } else {
          await context.publish(orderPaid, { orderId, paymentId: answer.paymentId, amountCents, currency, paidAt: now })
        }
      }),
    ],
    retry: { delaysMs },
    concurrency: 32, // Each call waits for a connection to the database and for its answers, not for the CPU.
    maxInFlight: 1_000,
    middleware: options.middleware ?? [],
  })

  async function record(tx: Queries, payment: Payment): Promise<void> {
    const { messageId, orderId, amountCents, answer } = payment
    const text = `insert into ${database.schema}.payments (message_id, order_key, outcome, payment_id, amount_cents)
      values ($1, $2, $3, $4, $5)`
    const paymentId = answer.kind === 'paid' ? answer.paymentId : null
    await tx.query(text, [messageId, idKey(orderId), answer.kind, paymentId, amountCents])
  }

  return { service }
}

interface Payment {
  /** Of the event that told of the order. */
  readonly messageId: string
  readonly orderId: string
  readonly amountCents: number
  readonly answer: ChargeAnswer
}

function totalOf(order: OrderPlaced): number {
  return order.lines.reduce((sum, line) => sum + line.quantity * line.unitPriceCents, 0)
}
