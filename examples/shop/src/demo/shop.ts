import { setTimeout as rest } from 'node:timers/promises'
import { createService } from '@posthorn/core'
import type { Health, Logger, Service } from '@posthorn/core'
import type { Transports } from '../broker/transports.js'
import { withPrefix } from '../broker/withPrefix.js'
import type { Databases } from '../database/shopDatabase.js'
import { createShopLogger } from '../logger.js'
import { createKnownUsers } from '../orders/knownUsers.js'
import type { KnownUsers } from '../orders/knownUsers.js'
import { userLookup } from '../orders/orderService.js'
import { paymentDeadLetters } from '../payments/paymentWorker.js'
import { createUserService } from '../users/userService.js'
import type { UserService } from '../users/userService.js'
import type { Trace } from '../trace/trace.js'
import type { Ledger } from './ledger.js'
import { countDatabase, entriesWaiting, standingsOf } from './reconciliation.js'
import type { BothSides, DatabaseCounts } from './reconciliation.js'
import type { Run } from './run.js'
import { createLocalWorker } from './workers/localWorker.js'
import { createProcessWorker } from './workers/processWorker.js'
import { claimName, destinationPrefix, openDatabase } from './workers/roles.js'
import type { News, OrderDesk, Worker } from './workers/worker.js'

/** The services of the shop, and an auditor who reads what was put aside. */
export interface Shop {
  readonly users: UserService
  readonly orders: OrderDesk
  /** Of whom the order service has heard. */
  readonly knownUsers: KnownUsers
  /** What may crash. */
  readonly workers: readonly Worker[]
  /** Counts beside the ledger's, for the table. */
  readonly tally: Tally
  start(signal: AbortSignal): Promise<void>
  /** Resolves when the outboxes are empty, or at the signal. */
  drained(signal: AbortSignal): Promise<void>
  stop(deadlineMs: number): Promise<void>
  /** What the tables say, after the stop; undefined when the shop never began. */
  count(): Promise<DatabaseCounts | undefined>
  /** Forgets the tables. */
  release(): Promise<void>
}

export interface Tally {
  paid: number
  declined: number
  /** Dead letters of this run by reason. */
  readonly reasons: Map<string, number>
  /** Messages of earlier runs, dead letters aside, which the services cleared away. */
  strays: number
  /** Dead letters of earlier runs, which the auditor cleared away. */
  strayDeadLetters: number
}

export interface ShopOptions {
  readonly transports: Transports
  readonly databases: Databases
  readonly logger: Logger
  readonly seed: number
  readonly run: Run
  readonly ledger: Ledger
  /** Whether the workers will crash: then they are processes of their own, where they can be. */
  readonly chaos: boolean
  /** @default none */
  readonly trace?: Trace | undefined
  readonly onFault: (error: unknown) => void
}

/** What a relay that died holds is taken over after so long. */
const leaseMs = { calm: 10_000, chaos: 2_000 }
const lookMs = 500
const drainLookMs = 20

export function createShop(options: ShopOptions): Shop {
  const { transports, databases, logger, run } = options
  const createTransport = (): ReturnType<Transports['create']> => withPrefix(transports.create(), destinationPrefix)
  const tally: Tally = { paid: 0, declined: 0, reasons: new Map(), strays: 0, strayDeadLetters: 0 }
  const users = createUserService({
    transport: createTransport(),
    logger,
    telemetry: options.trace?.telemetryOf('users'),
  })
  const auditor = createAuditor(options, { transport: createTransport(), tally })
  const ours = [users.service, auditor]
  let sides: BothSides | undefined
  let claim: { release(): Promise<void> } | undefined
  let looking: NodeJS.Timeout | undefined
  const knownUsers = createKnownUsers(async (keys) => (sides === undefined ? [] : userLookup(sides.orders)(keys)))
  const workers = createWorkers({ ...options, createTransport, knownUsers, tally, sides: () => sides! })
  return {
    users,
    orders: tracedDesk(workers.desk, options.trace),
    knownUsers,
    workers: workers.all,
    tally,
    async start(signal) {
      await options.trace?.serve({
        users: () => users.service.health(),
        auditor: () => auditor.health(),
        ...workers.health,
      })
      claim = await databases.claim(claimName(run))
      sides = {
        orders: await openDatabase(databases, run, 'orders'),
        payments: await openDatabase(databases, run, 'payments'),
      }
      // Whoever receives is there before anybody speaks: an event without a queue for it is gone.
      const starting = [
        ...ours.map((service) => service.start({ signal })),
        ...workers.all.map((worker) => worker.start(signal)),
      ]
      await Promise.all(starting)
      if (workers.areProcesses) looking = setInterval(() => void lookAround(), lookMs)
    },
    async drained(signal) {
      while (!signal.aborted && sides !== undefined && (await entriesWaiting(sides)) > 0) await rest(drainLookMs)
    },
    async stop(deadlineMs) {
      clearInterval(looking)
      await Promise.all([
        ...ours.map((service) => service.stop({ deadlineMs })),
        ...workers.all.map((worker) => worker.stop(deadlineMs)),
      ])
    },
    count: async () => (sides === undefined ? undefined : countDatabase(databases.name, sides)),
    release: async () => claim?.release(),
  }

  /** What a killed process had no time to tell stands in the tables. */
  async function lookAround(): Promise<void> {
    try {
      await knownUsers.look()
      await workers.catchUp()
    } catch (err) {
      logger.warn({ err }, 'The tables could not be read; looking again soon')
    }
  }
}

/** Each order begins a trace, as a customer's request would. */
function tracedDesk(desk: OrderDesk, trace: Trace | undefined): OrderDesk {
  if (trace === undefined) return desk
  return { place: (...args) => trace.underSpan('place order', () => desk.place(...args)) }
}

interface WorkersOptions extends ShopOptions {
  readonly createTransport: () => ReturnType<Transports['create']>
  readonly knownUsers: KnownUsers
  readonly tally: Tally
  readonly sides: () => BothSides
}

interface Workers {
  readonly all: readonly Worker[]
  readonly desk: OrderDesk
  readonly areProcesses: boolean
  readonly health: Readonly<Record<Worker['name'], () => Health | undefined>>
  /** Reads from the tables what was not heard. */
  catchUp(): Promise<void>
}

function createWorkers(options: WorkersOptions): Workers {
  const { transports, databases, chaos, run, seed, ledger, knownUsers, onFault } = options
  const news = createNews(options)
  // What is killed has a lot to complain about, and those who talk to it too.
  const logger = chaos ? createShopLogger('shop', 'fatal') : options.logger
  const shared = { run, seed, news, logger, leaseMs: chaos ? leaseMs.chaos : leaseMs.calm }
  const { remote } = transports
  const { url } = databases
  const areProcesses = chaos && remote !== undefined && url !== undefined

  function create(name: Worker['name']): Worker & OrderDesk {
    if (areProcesses) {
      const setting = { name, broker: remote, databaseUrl: url, run: run.name, seed, leaseMs: shared.leaseMs }
      return createProcessWorker({ setting, news, onFault })
    }
    const database = (): BothSides['orders'] => options.sides()[name === 'payments' ? 'payments' : 'orders']
    const telemetry = options.trace?.telemetryOf(name)
    const { createTransport } = options
    return createLocalWorker({ ...shared, name, database, createTransport, users: knownUsers, telemetry })
  }

  const desk = create('orders')
  const payments = create('payments')
  const relay = create('relay')
  return {
    all: [desk, payments, relay],
    health: { orders: () => desk.health?.(), payments: () => payments.health?.(), relay: () => relay.health?.() },
    desk,
    areProcesses,
    async catchUp() {
      const lines = ledger.linesUnderWay()
      if (lines.length === 0) return
      for (const standing of await standingsOf(options.sides(), lines.map(run.idOfOrder))) {
        const line = run.lineOfId(standing.messageId)
        if (standing.isPublished) news.published(line)
        if (standing.isCharged && !ledger.hasHeard(line, 'charged')) news.heard(line, 'charged')
        if (standing.status === 'placed' || ledger.hasHeard(line, 'told')) continue
        news.heard(line, standing.status === 'paid' ? 'paid' : 'declined')
      }
    },
  }
}

/** What workers tell goes into the ledger. */
function createNews({ ledger, knownUsers, tally }: WorkersOptions): News {
  return {
    known: (userId) => knownUsers.add(userId),
    published: (line) => ledger.confirmed(line),
    retried: () => ledger.retried(),
    heard(line, news) {
      if (news === 'charged') ledger.heard(line, 'charged')
      else if (ledger.heard(line, 'told')) tally[news] += 1
    },
    stray: () => void (tally.strays += 1),
  }
}

/** Really reads the dead letters: what is counted has left the broker. */
function createAuditor(
  { logger, run, ledger, trace }: ShopOptions,
  { transport, tally }: { readonly transport: ReturnType<Transports['create']>; readonly tally: Tally },
): Service {
  const auditor = createService({
    source: '/shop/auditor',
    transport,
    logger,
    limits: { maxBodyBytes: 4_194_304 },
    ...(trace === undefined ? {} : { telemetry: trace.telemetryOf('auditor') }),
  })
  auditor.readDeadLetters(paymentDeadLetters, ({ envelope, reason }) => {
    if (!run.isOurs(envelope)) {
      tally.strayDeadLetters += 1
      return
    }
    if (!ledger.heard(run.lineOf(envelope), 'deadLettered')) return
    tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1)
  })
  return auditor
}
