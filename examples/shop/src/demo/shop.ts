import { createService } from '@posthorn/core'
import type { Logger, Middleware, Service } from '@posthorn/core'
import type { Transports } from '../broker/transports.js'
import { withPrefix } from '../broker/withPrefix.js'
import { orderPaid, orderRejected } from '../contracts.js'
import { createOrderService } from '../orders/orderService.js'
import type { OrderService } from '../orders/orderService.js'
import { createCardNetwork } from '../payments/cardNetwork.js'
import { createPaymentWorker, paymentDeadLetters } from '../payments/paymentWorker.js'
import { createUserService } from '../users/userService.js'
import type { UserService } from '../users/userService.js'
import type { Ledger } from './ledger.js'
import type { Run } from './run.js'

/** The three services of the shop in one process, and an auditor who reads what was put aside. */
export interface Shop {
  readonly users: UserService
  readonly orders: OrderService
  /** Counts beside the ledger's, for the table. */
  readonly tally: Tally
  start(signal: AbortSignal): Promise<void>
  stop(deadlineMs: number): Promise<void>
}

export interface Tally {
  paid: number
  declined: number
  /** Dead letters of this run by reason. */
  readonly reasons: Map<string, number>
  /** Dead letters of earlier runs, which the auditor cleared away. */
  strays: number
}

export interface ShopOptions {
  readonly transports: Transports
  readonly logger: Logger
  readonly seed: number
  readonly run: Run
  readonly ledger: Ledger
}

/** Keeps the demo's queues apart from those of a shop that runs on the same broker. */
const prefix = 'demo.'

export function createShop(options: ShopOptions): Shop {
  const { logger, transports, seed } = options
  const own = (): { transport: ReturnType<Transports['create']>; logger: Logger } => ({
    transport: withPrefix(transports.create(), prefix),
    logger,
  })
  const tally: Tally = { paid: 0, declined: 0, reasons: new Map(), strays: 0 }
  const { onlyOurs } = options.run
  const users = createUserService(own())
  const orders = createOrderService({ ...own(), middleware: [onlyOurs, watchOutcomes(options, tally)] })
  const network = createCardNetwork(seed)
  const payments = createPaymentWorker({ ...own(), network, middleware: [onlyOurs, watchCharges(options)] })
  const auditor = createAuditor({ ...own(), ...options, tally })
  const services = [users.service, orders.service, payments.service, auditor]
  return {
    users,
    orders,
    tally,
    // Whoever receives is there before anybody speaks: an event without a queue for it is gone.
    start: async (signal) => void (await Promise.all(services.map((service) => service.start({ signal })))),
    stop: async (deadlineMs) => void (await Promise.all(services.map((service) => service.stop({ deadlineMs })))),
  }
}

/** At the payment worker: an order is charged when its handler has come to its end. */
function watchCharges({ run, ledger }: ShopOptions): Middleware {
  return async (call, next) => {
    const { attempt, envelope } = call.items[0]!
    if (attempt > 1) ledger.retried()
    const handled = await next()
    ledger.heard(run.lineOf(envelope), 'charged')
    return handled
  }
}

const outcomes: Readonly<Record<string, 'paid' | 'declined'>> = {
  [orderPaid.type]: 'paid',
  [orderRejected.type]: 'declined',
}

/** At the order service, which must hear of every payment and every refusal. */
function watchOutcomes({ run, ledger }: ShopOptions, tally: Tally): Middleware {
  return async (call, next) => {
    const handled = await next()
    const outcome = outcomes[call.contract.type]
    if (outcome !== undefined && ledger.heard(run.lineOf(call.items[0]!.envelope), 'told')) tally[outcome] += 1
    return handled
  }
}

/** Really reads the dead letters: what is counted has left the broker. */
function createAuditor({
  transport,
  logger,
  run,
  ledger,
  tally,
}: ShopOptions & { transport: ReturnType<Transports['create']>; tally: Tally }): Service {
  const auditor = createService({ source: '/shop/auditor', transport, logger, limits: { maxBodyBytes: 4_194_304 } })
  auditor.readDeadLetters(paymentDeadLetters, ({ envelope, reason }) => {
    if (!run.isOurs(envelope)) {
      tally.strays += 1
      return
    }
    if (!ledger.heard(run.lineOf(envelope), 'deadLettered')) return
    tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1)
  })
  return auditor
}
