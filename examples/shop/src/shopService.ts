import { createService } from '@posthorn/core'
import type { Clock, Contract, Logger, Middleware, Service, ServiceOptions, Telemetry, Transport } from '@posthorn/core'
import { createInbox, createOutbox } from '@posthorn/outbox'
import type { Inbox, Outbox, OutboxFollowUpOptions } from '@posthorn/outbox'
import type { Queries, ServiceDatabase } from './database/shopDatabase.js'

/** What every service of the shop is given. */
export interface ShopServiceOptions {
  readonly transport: Transport
  readonly logger: Logger
  /** Tests give a virtual one. @default the machine's */
  readonly clock?: Clock
  /** Around every handler; the demo counts with it. @default none */
  readonly middleware?: readonly Middleware[]
  /** @default none */
  readonly telemetry?: Telemetry | undefined
}

/** What the services are given that have a database. */
export interface StoringServiceOptions extends ShopServiceOptions {
  readonly database: ServiceDatabase
}

/** An order line has at most 1 MiB (`maxLineBytes`); its envelope, and numbers written out, take some more. */
const limits = { maxBodyBytes: 2 * 1_048_576 }

/** Makes a Posthorn service with what all services of the shop have in common. */
export function createShopService(
  source: string,
  options: ShopServiceOptions,
  publishes: readonly Contract[] = [],
): Service {
  const { transport, logger } = options
  const given = givenOf(options)
  return createService({ source, transport, logger, publishes, limits, ...given })
}

function givenOf({ clock, telemetry }: ShopServiceOptions): Pick<ServiceOptions, 'clock' | 'telemetry'> {
  return { ...(clock === undefined ? {} : { clock }), ...(telemetry === undefined ? {} : { telemetry }) }
}

/** A service with its outbox, and with an inbox whose handlers publish through it. */
export interface StoringService {
  readonly service: Service
  readonly outbox: Outbox<Queries>
  readonly inbox: Inbox<Queries, OutboxFollowUpOptions>
}

/**
 * Makes a service that publishes through its database. It needs a relay: one that is attached to it, or one beside it.
 */
export function createStoringService(
  source: string,
  options: StoringServiceOptions,
  publishes: readonly Contract[],
): StoringService {
  const { transport, database, logger } = options
  const service = createShopService(source, options, publishes)
  const { capabilities } = transport // What is too large for the broker is refused before the transaction commits.
  const given = givenOf(options)
  const outbox = createOutbox({ store: database.store, source, publishes, limits, capabilities, logger, ...given })
  const inbox = service.attach(createInbox({ store: database.store, outbox }))
  return { service, outbox, inbox }
}
