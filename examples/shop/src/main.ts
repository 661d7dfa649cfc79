#!/usr/bin/env node
import { inspect } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { Argument, Command, InvalidArgumentError } from 'commander'
import { codeOf } from '@posthorn/core'
import type { Logger, Service } from '@posthorn/core'
import { addBrokerOptions } from './brokerOptions.js'
import { findTransports } from './broker/transports.js'
import type { BrokerChoice, Transports } from './broker/transports.js'
import { createRelay } from '@posthorn/outbox'
import { findDatabases } from './database/findDatabases.js'
import type { DatabaseChoice } from './database/findDatabases.js'
import type { Databases } from './database/shopDatabase.js'
import { createShopLogger } from './logger.js'
import { createOrderApi } from './orders/orderApi.js'
import { createOrderService } from './orders/orderService.js'
import { orderTables } from './orders/orderTables.js'
import { createCardNetwork } from './payments/cardNetwork.js'
import { createPaymentWorker } from './payments/paymentWorker.js'
import { paymentTables } from './payments/paymentTables.js'
import { ShopError } from './shopError.js'
import { exitCodeOf, stopSignal } from './stopSignal.js'
import { createUserApi } from './users/userApi.js'
import { createUserService } from './users/userService.js'

interface MainOptions extends BrokerChoice, DatabaseChoice {
  readonly host: string
  readonly userPort: number
  readonly orderPort: number
  readonly seed: number
}

/** One of the three, ready to start: its service, and its API if it has one. */
interface Part {
  readonly name: string
  readonly service: Service
  readonly api?: { readonly server: FastifyInstance; readonly port: number }
}

interface Surroundings {
  readonly transports: Transports
  /** Of the services that keep something; the user service is made without. */
  readonly databases: Databases | undefined
  readonly options: MainOptions
  readonly logger: Logger
}

type Maker = (surroundings: Surroundings) => Promise<Part>

const makers: Readonly<Record<'user' | 'order' | 'payment', Maker>> = {
  async user({ transports, options, logger }) {
    const users = createUserService({ transport: transports.create(), logger })
    const api = { server: createUserApi(users), port: options.userPort }
    return { name: 'user service', service: users.service, api }
  },
  async order({ transports, databases, options, logger }) {
    const database = await databases!.open('shop_orders', orderTables)
    const orders = createOrderService({ transport: transports.create(), database, logger })
    orders.service.attach(createRelay({ store: database.store }))
    const api = { server: createOrderApi(orders), port: options.orderPort }
    return { name: 'order service', service: orders.service, api }
  },
  async payment({ transports, databases, options, logger }) {
    const network = createCardNetwork(options.seed)
    const database = await databases!.open('shop_payments', paymentTables)
    const { service } = createPaymentWorker({ transport: transports.create(), database, logger, network })
    service.attach(createRelay({ store: database.store }))
    return { name: 'payment worker', service }
  },
}

const command = addBrokerOptions(new Command('shop'))
  .description('Runs one service of the shop, or all of them in this process, until Ctrl-C.')
  .addArgument(new Argument('<service>', 'which').choices([...Object.keys(makers), 'all']))
  .option('--host <address>', 'where the APIs listen', '127.0.0.1')
  .option('--user-port <port>', 'of the user API', port, 3001)
  .option('--order-port <port>', 'of the order API', port, 3002)
  .action(run)

async function run(which: keyof typeof makers | 'all', options: MainOptions): Promise<void> {
  if (which !== 'all' && options.transport === 'memory') {
    throw new ShopError('SHOP_NO_BROKER', 'Alone in its process, a service needs --transport rabbitmq or kafka')
  }
  const signal = stopSignal()
  const logger = createShopLogger('shop', 'info')
  const transports = await findTransports(options)
  // The user service keeps nothing in a database.
  const databases = which === 'user' ? undefined : await findDatabases(options)
  const parts: Part[] = []
  try {
    const names = which === 'all' ? (['payment', 'order', 'user'] as const) : [which]
    for (const name of names) parts.push(await makers[name]({ transports, databases, options, logger }))
    for (const part of parts) await start(part, { host: options.host, signal, logger })
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    // No requests first, so that nobody publishes into a service that is stopping.
    for (const { api } of parts) await api?.server.close()
    await Promise.all(parts.map(({ service }) => service.stop()))
    transports.close()
    await databases?.close()
  }
  logger.info({}, 'Stopped')
  process.exitCode = exitCodeOf(signal.reason)
}

async function start(
  { name, service, api }: Part,
  { host, signal, logger }: { readonly host: string; readonly signal: AbortSignal; readonly logger: Logger },
): Promise<void> {
  // Services and brokers start in any order: waiting is better than ending.
  await service.start({ ifUnavailable: 'wait', signal })
  const address = await api?.server.listen({ host, port: api.port })
  logger.info(address === undefined ? {} : { address }, `The ${name} runs`)
}

function port(text: string): number {
  const value = Number(text)
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new InvalidArgumentError('Give a port from 0 to 65535.')
  return value
}

try {
  await command.parseAsync()
} catch (error) {
  const isOurs = error instanceof ShopError || codeOf(error) !== undefined
  process.stderr.write(`error: ${isOurs ? (error as Error).message : inspect(error)}\n`)
  process.exitCode = 2
}
