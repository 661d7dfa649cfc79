import { createService } from '@posthorn/core'
import type { Clock, Contract, Logger, Middleware, Service, Transport } from '@posthorn/core'

/** What every service of the shop is given. */
export interface ShopServiceOptions {
  readonly transport: Transport
  readonly logger: Logger
  /** Tests give a virtual one. @default the machine's */
  readonly clock?: Clock
  /** Around every handler; the demo counts with it. @default none */
  readonly middleware?: readonly Middleware[]
}

/** An order line has at most 1 MiB (`maxLineBytes`); its envelope, and numbers written out, take some more. */
const maxBodyBytes = 2 * 1_048_576

/** Makes a Posthorn service with what all services of the shop have in common. */
export function createShopService(
  source: string,
  options: ShopServiceOptions,
  publishes: readonly Contract[] = [],
): Service {
  const { transport, logger, clock } = options
  const given = clock === undefined ? {} : { clock }
  return createService({ source, transport, logger, publishes, limits: { maxBodyBytes }, ...given })
}
