import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { defineCommand, defineEvent } from '@posthorn/contracts'
import type { Contract, Envelope } from '@posthorn/contracts'
import type { Consumer } from '../src/consumer/consumer.js'
import type { ConsumerOptions } from '../src/consumer/consumerOptions.js'
import { createKit } from '../src/messagingKit.js'
import type { Logger } from '../src/logger.js'
import type { Delivery } from '../src/ports.js'
import type { MessagingKit } from '../src/publisher/publisherOptions.js'
import { createService } from '../src/service/service.js'
import type { Service, ServiceOptions } from '../src/service/service.js'
import { createFakeTransport } from './fakeTransport.js'
import type { FakeDelivery, FakeTransport } from './fakeTransport.js'

export interface Order {
  readonly orderId: string
  readonly amount?: number
}

const orderSchema = {
  type: 'object',
  required: ['orderId'],
  properties: { orderId: { type: 'string', minLength: 1 }, amount: { type: 'integer' } },
}

export const orderPlaced: Contract<Order, 'event'> = defineEvent.typed<Order>()({
  type: 'com.example.order.placed.v1',
  destination: 'orders',
  schema: orderSchema,
  partitionKey: (order) => order.orderId,
})

/** A second type on the same destination. */
export const orderPaid: Contract<Order, 'event'> = defineEvent.typed<Order>()({
  type: 'com.example.order.paid.v1',
  destination: 'orders',
  schema: orderSchema,
  partitionKey: (order) => order.orderId,
})

export const chargeCard: Contract<Order, 'command'> = defineCommand.typed<Order>()({
  type: 'com.example.card.charge.v1',
  destination: 'payments',
  schema: orderSchema,
})

/** Takes any data, and has no key. */
export const anything: Contract<unknown, 'event'> = defineEvent.typed<unknown>()({
  type: 'com.example.anything.v1',
  destination: 'anything',
  schema: {},
})

export interface LogRecord {
  readonly level: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly message: string
}

export interface RecordingLogger extends Logger {
  readonly records: LogRecord[]
}

export function createRecordingLogger(): RecordingLogger {
  const records: LogRecord[] = []
  const write =
    (level: string) =>
    (facts: Readonly<Record<string, unknown>>, message: string): void =>
      void records.push({ level, facts, message })
  const logger: RecordingLogger = {
    records,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  }
  return logger
}

/** A structured CloudEvent of a contract, as a broker would deliver it. */
export function messageOf(
  contract: Contract<never>,
  data: unknown,
  attributes: Readonly<Record<string, unknown>> = {},
): Pick<Delivery, 'body' | 'contentType'> & { readonly id: string } {
  const id = (attributes['id'] as string | undefined) ?? `m-${Math.random().toString(36).slice(2)}`
  const envelope = { specversion: '1.0', id, source: '/elsewhere', type: contract.type, data, ...attributes }
  return { id, contentType: 'application/cloudevents+json', body: Buffer.from(JSON.stringify(envelope)) }
}

export function headersOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.assign(Object.create(null), headers) as Record<string, string>
}

export interface TestKit {
  readonly kit: MessagingKit
  readonly clock: VirtualClock
  readonly transport: FakeTransport
  readonly logger: RecordingLogger
}

export function createTestKit(options: Partial<ServiceOptions> = {}): TestKit {
  const clock = createVirtualClock()
  const transport = createFakeTransport()
  const logger = createRecordingLogger()
  const kit = createKit({ source: '/test', transport, clock, logger, ...options })
  return { kit, clock, transport, logger }
}

/** A running service with one group, `billing`, on a fake transport and a clock that stands still. */
export interface Running {
  readonly service: Service
  readonly consumer: Consumer
  readonly clock: VirtualClock
  readonly transport: FakeTransport
  readonly logger: RecordingLogger
  /** Delivers an order. */
  order(orderId: string, options?: OrderDelivery): FakeDelivery
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
}

export interface OrderDelivery {
  readonly id?: string
  readonly key?: string
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  readonly brokerRedeliveries?: number
  readonly contract?: Contract<never>
}

export async function startConsumer(
  options: ConsumerOptions,
  serviceOptions: Partial<ServiceOptions> = {},
): Promise<Running> {
  const clock = createVirtualClock()
  const transport = (serviceOptions.transport as FakeTransport | undefined) ?? createFakeTransport()
  const logger = createRecordingLogger()
  const service = createService({ source: '/test', clock, logger, ...serviceOptions, transport })
  const consumer = service.consume('billing', options)
  await service.start()
  return {
    service,
    consumer,
    clock,
    transport,
    logger,
    settle: () => clock.advance(0),
    order(orderId, { id = orderId, key, attributes, headers, brokerRedeliveries, contract = orderPlaced } = {}) {
      return transport.deliver({
        ...messageOf(contract, { orderId }, { id, ...attributes }),
        ...(headers === undefined ? {} : { headers: headersOf(headers) }),
        ...(key === undefined ? {} : { partitionKey: key }),
        ...(brokerRedeliveries === undefined ? {} : { brokerRedeliveries }),
      })
    },
  }
}

export function envelopeOf(sent: { readonly message: { readonly body: Uint8Array | null } }): Envelope {
  return JSON.parse(Buffer.from(sent.message.body!).toString()) as Envelope
}
