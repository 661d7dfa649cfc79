import { codeOf, createService, defineCommand, defineEvent, silentLogger } from '@posthorn/core'
import type { Contract, DeadLetter, Envelope, HandlerRegistration, LogMethod, Logger, Service } from '@posthorn/core'
import type { WireMessage } from '@posthorn/core/adapter'
import { createMemory, createMemoryBroker, createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { createMemoryStore } from '../src/index.js'
import type { MemoryStore, OutboxEntry } from '../src/index.js'

export interface Order {
  readonly orderId: string
}

const schema = {
  type: 'object',
  required: ['orderId'],
  properties: { orderId: { type: 'string', minLength: 1 } },
}

export const orderPlaced: Contract<Order, 'event'> = defineEvent.typed<Order>()({
  type: 'com.example.order.placed.v1',
  destination: 'orders',
  schema,
  partitionKey: (order) => order.orderId,
})

export const orderPaid: Contract<Order, 'event'> = defineEvent.typed<Order>()({
  type: 'com.example.order.paid.v1',
  destination: 'payments',
  schema,
  partitionKey: (order) => order.orderId,
})

export const chargeCard: Contract<Order, 'command'> = defineCommand.typed<Order>()({
  type: 'com.example.card.charge.v1',
  destination: 'cards',
  schema,
})

/** Everything that has been committed to the outbox, in the order of the ids. */
export async function entriesIn(store: MemoryStore): Promise<readonly OutboxEntry[]> {
  const { leases } = await store.renew('test', 60_000)
  const all = { except: [], exceptKeys: [], maxCount: 10_000, maxCountPerPartition: 10_000, maxBytes: 2 ** 30 }
  return store.read({ relay: 'test', leases, ...all })
}

export const envelopeOf = ({ message }: { readonly message: WireMessage }): Envelope =>
  JSON.parse(Buffer.from(message.body!).toString()) as Envelope

export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('expected a rejection')
    },
    (error: unknown) => error,
  )
}

export async function rejectionCode(promise: Promise<unknown>): Promise<string | undefined> {
  return codeOf(await rejection(promise))
}

/** Every problem that a refused set-up lists. */
export function problemsOf(action: () => unknown): readonly string[] {
  try {
    action()
  } catch (error) {
    if (codeOf(error) !== 'POSTHORN_CONFIGURATION') throw error
    return (error as { details: { problems: readonly string[] } }).details.problems
  }
  return []
}

export interface LogRecord {
  readonly event: unknown
  readonly level: string
}

export function createRecordingLogger(): Logger & { readonly records: readonly LogRecord[] } {
  const records: LogRecord[] = []
  const write =
    (level: string): LogMethod =>
    (facts) =>
      void records.push({ level, event: facts['event'] })
  const logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    records,
    child: () => logger,
  }
  return logger
}

/** A service of the group `billing` on a broker in this process, on a clock that stands still. */
export interface Bench {
  readonly service: Service
  readonly clock: VirtualClock
  readonly deadLetters: readonly DeadLetter[]
  /** Publishes and lets everything happen that needs no time. */
  deliver(orderId: string, attributes?: { readonly id?: string; readonly time?: Date }): Promise<void>
}

export interface BenchOptions {
  readonly clock?: VirtualClock
  readonly delaysMs?: readonly number[]
  readonly concurrency?: number
  readonly logger?: Logger
  /** Called before the start. */
  readonly setUp?: (service: Service) => void
}

export async function startBench(handler: HandlerRegistration, options: BenchOptions = {}): Promise<Bench> {
  const { clock = createVirtualClock(), delaysMs = [0], concurrency = 16, logger = silentLogger, setUp } = options
  const broker = createMemoryBroker({ clock })
  const service = createService({ source: '/shop', transport: createMemory({ broker }), clock, logger })
  const deadLetters: DeadLetter[] = []
  service.consume('billing', { handlers: [handler], retry: { delaysMs }, concurrency })
  service.readDeadLetters({ destination: handler.contract.destination, group: 'billing' }, (letter) => {
    deadLetters.push(letter)
  })
  setUp?.(service)
  await service.start()
  return {
    service,
    clock,
    deadLetters,
    async deliver(orderId, attributes = {}) {
      await service.publish(orderPlaced, { orderId }, attributes)
      await clock.advance(0)
    },
  }
}

/** A store, and the effects that were committed to it. */
export interface Ledger {
  readonly store: MemoryStore
  readonly effects: readonly string[]
  /** Has its effect when the transaction commits. */
  write(tx: { onCommit(action: () => void): void }, effect: string): void
}

export function createLedger(clock: VirtualClock = createVirtualClock()): Ledger {
  const effects: string[] = []
  return {
    store: createMemoryStore({ clock }),
    effects,
    write: (tx, effect) => tx.onCommit(() => void effects.push(effect)),
  }
}
