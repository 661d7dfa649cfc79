import type { Health, Logger, Middleware, Telemetry, Transport } from '@posthorn/core'
import { createRelay } from '@posthorn/outbox'
import { orderPaid, orderPlaced, orderRejected, userRegistered } from '../../contracts.js'
import type { UserRegistered } from '../../contracts.js'
import type { Databases, ServiceDatabase } from '../../database/shopDatabase.js'
import { createOrderService } from '../../orders/orderService.js'
import type { OrderService } from '../../orders/orderService.js'
import { orderTables } from '../../orders/orderTables.js'
import type { KnownUsers } from '../../orders/knownUsers.js'
import { createCardNetwork } from '../../payments/cardNetwork.js'
import { createPaymentWorker } from '../../payments/paymentWorker.js'
import { paymentTables } from '../../payments/paymentTables.js'
import { onlyOurs } from '../run.js'
import type { Run } from '../run.js'
import type { News, WorkerName } from './worker.js'

/** What a worker of the demo is made from. */
export interface RoleParts {
  readonly transport: Transport
  /** That of the service. */
  readonly database: ServiceDatabase
  readonly logger: Logger
  readonly seed: number
  readonly run: Run
  readonly news: News
  /** How long the partitions of a relay that died wait for another. */
  readonly leaseMs: number
  /** For order services of one process. */
  readonly users?: KnownUsers
  /** @default none */
  readonly telemetry?: Telemetry | undefined
}

/** A worker while it lives. */
export interface Role {
  /** That of the order service. */
  readonly orders?: OrderService
  start(signal: AbortSignal): Promise<void>
  stop(deadlineMs: number): Promise<void>
  health(): Health
}

/** The schema of the run, and whose tables are in it. */
export function openDatabase(databases: Databases, run: Run, name: WorkerName): Promise<ServiceDatabase> {
  const claim = claimName(run)
  return name === 'payments'
    ? databases.open(`${claim}_payments`, paymentTables)
    : databases.open(`${claim}_orders`, orderTables)
}

/** Begins the names of all schemas of a run. */
export const claimName = (run: Run): string => `demo_${run.name}`

/** Keeps the demo's queues apart from those of a shop that runs on the same broker. */
export const destinationPrefix = 'demo.'

/** Longer than a group takes to learn that a member has died. */
const startMs = 60_000

export const roles: Readonly<Record<WorkerName, (parts: RoleParts) => Role>> = {
  orders(parts) {
    const { run, news, users } = parts
    const middleware = [onlyOurs(run, news.stray), watchOutcomes(parts)]
    const orders = createOrderService({ ...parts, middleware, ...(users === undefined ? {} : { users }) })
    return { orders, ...startAndStop(orders.service) }
  },
  payments(parts) {
    const { run, news, database, leaseMs, seed } = parts
    const network = createCardNetwork(seed)
    const middleware = [onlyOurs(run, news.stray), watchCharges(parts)]
    const { service } = createPaymentWorker({ ...parts, network, middleware })
    service.attach(createRelay({ store: database.store, leaseMs }))
    return startAndStop(service)
  },
  relay({ transport, database, logger, leaseMs, run, news, telemetry }) {
    const heard = overheard(transport, run, news)
    const relay = createRelay({
      store: database.store,
      transport: telemetry === undefined ? heard : telemetry.observe(heard),
      destinations: [orderPlaced.destination],
      logger,
      leaseMs,
      ...(telemetry === undefined ? {} : { metrics: telemetry.metrics }),
    })
    return startAndStop(relay)
  },
}

interface Startable {
  start(options: { readonly signal: AbortSignal; readonly deadlineMs: number }): Promise<void>
  stop(options: { readonly deadlineMs: number }): Promise<void>
  health(): Health
}

function startAndStop(unit: Startable): Omit<Role, 'orders'> {
  return {
    start: (signal) => unit.start({ signal, deadlineMs: startMs }),
    stop: (deadlineMs) => unit.stop({ deadlineMs }),
    health: () => unit.health(),
  }
}

/** At the payment worker: an order is charged when its handler has come to its end. */
function watchCharges({ run, news }: RoleParts): Middleware {
  return async (call, next) => {
    const { attempt, envelope } = call.items[0]!
    if (attempt > 1) news.retried()
    const handled = await next()
    news.heard(run.lineOf(envelope), 'charged')
    return handled
  }
}

/** At the order service, which must hear of every user, every payment and every refusal. */
function watchOutcomes({ run, news }: RoleParts): Middleware {
  return async (call, next) => {
    const handled = await next()
    const { type } = call.contract
    for (const { envelope, data } of call.items) {
      if (type === userRegistered.type) news.known((data as UserRegistered).userId)
      if (!run.isOurs(envelope)) continue
      if (type === orderPaid.type) news.heard(run.lineOf(envelope), 'paid')
      if (type === orderRejected.type) news.heard(run.lineOf(envelope), 'declined')
    }
    return handled
  }
}

/** The same transport; tells what the broker has confirmed. */
function overheard(transport: Transport, run: Run, news: News): Transport {
  return {
    ...transport,
    async send(target, message, options) {
      const receipt = await transport.send(target, message, options)
      news.published(run.lineOfId(message.id))
      return receipt
    },
  }
}
