import { randomUUID } from 'node:crypto'
import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type {
  AdoptForeign,
  ConsumerOptions,
  DeadLetter,
  Envelope,
  EventContract,
  Handler,
  Service,
  Transport,
  WireFormat,
} from '@posthorn/core'
import { expect } from 'vitest'
import { group, rungMs } from './rabbit.js'

/** The one type of these tests. */
export const orderType = 'com.example.shop.order.placed.v1'

export interface Order {
  readonly orderId: string
}

/** The contract of a destination; every test has one of its own. */
export function orderPlaced(destination: string): EventContract<Order> {
  return defineEvent.typed<Order>()({
    type: orderType,
    destination,
    schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
  })
}

/** The same order is to be forgotten: an event without data, in binary mode a tombstone on Kafka. */
export const forgottenType = 'com.example.shop.order.forgotten.v1'

export function orderForgotten(destination: string): EventContract<undefined> {
  return defineEvent.typed<undefined>()({ type: forgottenType, destination, schema: {} })
}

export function uniqueDestination(): string {
  return `interop-${randomUUID()}`
}

/** Takes a plain text of another client for the id of an order. */
export const adoptText: AdoptForeign = ({ body }) => {
  const orderId = Buffer.from(body ?? []).toString('utf8')
  return { specversion: '1.0', id: `adopted-${orderId}`, source: '/foreign', type: orderType, data: { orderId } }
}

/** A service that consumes a destination and collects what comes. */
export interface Reader {
  readonly events: readonly Envelope<Order | undefined>[]
  /** The headers that came with the events, in their order. */
  readonly headers: readonly Readonly<Record<string, string>>[]
  readonly deadLetters: readonly DeadLetter[]
  readonly skipped: () => number
  /** Resolves when so many messages were handled, dead-lettered or skipped. */
  ended(count: number): Promise<void>
  stop(): Promise<void>
}

export interface ReaderOptions {
  readonly transport: Transport
  readonly destination: string
  readonly consumer?: Partial<ConsumerOptions>
  readonly wireFormat?: WireFormat
  /** Leave dead letters in their queue for somebody else. */
  readonly keepDeadLetters?: boolean
}

export async function startReader(options: ReaderOptions): Promise<Reader> {
  const { transport, destination, consumer: settings, wireFormat, keepDeadLetters } = options
  const events: Envelope<Order | undefined>[] = []
  const headers: Readonly<Record<string, string>>[] = []
  const deadLetters: DeadLetter[] = []
  const service = createService({
    source: '/interop/reader',
    transport,
    logger: silentLogger,
    ...(wireFormat !== undefined && { wireFormat }),
  })
  const collect: Handler<Order | undefined> = ({ envelope }, context) => {
    events.push(envelope)
    headers.push(context.headers)
  }
  const consumer = service.consume(group, {
    handlers: [on(orderPlaced(destination), collect), on(orderForgotten(destination), collect)],
    retry: { delaysMs: [0, rungMs] },
    ...settings,
  })
  if (keepDeadLetters !== true) {
    service.readDeadLetters({ destination, group }, (letter) => void deadLetters.push(letter))
  }
  await service.start({ deadlineMs: 60_000 })
  const skipped = (): number => consumer.health().skipped
  return {
    events,
    headers,
    deadLetters,
    skipped,
    ended: (count) =>
      expect
        .poll(() => events.length + deadLetters.length + skipped(), { timeout: 60_000 })
        .toBeGreaterThanOrEqual(count),
    stop: () => service.stop(),
  }
}

export interface Writer {
  readonly service: Service
  readonly contract: EventContract<Order>
  readonly forgotten: EventContract<undefined>
}

/** A started service that only publishes to a destination. */
export async function startWriter(transport: Transport, destination: string, wireFormat?: WireFormat): Promise<Writer> {
  const contract = orderPlaced(destination)
  const forgotten = orderForgotten(destination)
  const service = createService({
    source: '/interop/writer',
    transport,
    logger: silentLogger,
    publishes: [contract, forgotten],
    ...(wireFormat !== undefined && { wireFormat }),
  })
  await service.start({ deadlineMs: 60_000 })
  return { service, contract, forgotten }
}

/** What a publish of these tests says beside its data, so that every kind of attribute travels. */
export const everyAttribute = {
  id: 'event-ü-1',
  partitionKey: 'o-1',
  subject: 'order 1 \u{1f40d}',
  time: new Date('2026-02-03T04:05:06.789Z'),
  correlationId: 'c-1',
  causationId: 'cause-1',
  expiresAt: new Date('2999-01-01T00:00:00.000Z'),
  sequence: '0001',
  dataref: 'https://example.com/data/1',
  extensions: { tenant: 'blue', weight: 3, sampled: true },
} as const

/** The envelope of such a publish, as any reader of CloudEvents has to see it. */
export const everyAttributeRead = {
  specversion: '1.0',
  id: 'event-ü-1',
  source: '/interop/writer',
  type: orderType,
  dataschema: expect.stringMatching(/^urn:posthorn:schema:/) as string,
  partitionkey: 'o-1',
  subject: 'order 1 \u{1f40d}',
  time: '2026-02-03T04:05:06.789Z',
  correlationid: 'c-1',
  causationid: 'cause-1',
  expirytime: '2999-01-01T00:00:00.000Z',
  sequence: '0001',
  dataref: 'https://example.com/data/1',
  tenant: 'blue',
  weight: 3,
  sampled: true,
} as const

/** The same in binary mode, where every attribute is text. */
export const everyAttributeAsText = { ...everyAttributeRead, weight: '3', sampled: 'true' } as const
