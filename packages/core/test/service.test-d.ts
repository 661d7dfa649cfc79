/* Compiled by types.test.ts; nothing runs. An error that does not come is an error itself. */
import { pino } from 'pino'
import { codeOf, createService, defineCommand, defineEvent, errorCodes, on, onBatch } from '../src/index.js'
import type {
  ConsumerOptions,
  ErrorCode,
  Logger,
  Outcome,
  Publisher,
  Service,
  Transport,
  WireFormat,
} from '../src/index.js'
import type { Sender } from '../src/adapter.js'

declare const transport: Transport

const placed = defineEvent({
  type: 'com.example.placed.v1',
  destination: 'orders',
  schema: {
    type: 'object',
    required: ['orderId'],
    properties: { orderId: { type: 'string' }, lines: { type: 'array', items: { type: 'integer' } } },
    additionalProperties: false,
  },
  partitionKey: ({ orderId }) => orderId,
})
const charge = defineCommand.typed<{ readonly cents: number }>()({
  type: 'com.example.charge.v1',
  destination: 'payments',
  schema: { type: 'object' },
})

// pino is a logger as it is, also one with levels of its own.
export const loggers: readonly Logger[] = [pino(), pino({ customLevels: { notice: 35 } }), pino().child({ a: 1 })]

export const service: Service = createService({ source: '/shop', transport, logger: pino() })
// @ts-expect-error the source is required
createService({ transport })
// @ts-expect-error an option that does not exist
createService({ source: '/shop', transport, sourse: '/x' })
// @ts-expect-error only these two
createService({ source: '/shop', transport, validation: 'off' })

export async function publishing(publisher: Publisher, signal: AbortSignal): Promise<void> {
  const { id, routed } = await publisher.publish(placed, { orderId: 'o', lines: [1] }, { deadlineMs: 5, signal })
  const known: [string, boolean | undefined] = [id, routed]
  await publisher.publishMany(charge, [{ cents: 5 }], { correlationId: known[0] })
  await service.publish(placed, { orderId: 'o' }, { extensions: { tenant: 'acme', count: 1, test: true } })
  // @ts-expect-error data of another contract
  await publisher.publish(placed, { cents: 5 })
  // @ts-expect-error data of another shape
  await publisher.publish(placed, { orderId: 'o', lines: ['1'] })
  // @ts-expect-error one id for many messages
  await publisher.publishMany(charge, [{ cents: 5 }], { id: 'x' })
  // @ts-expect-error a list where one message is expected
  await publisher.publish(charge, [{ cents: 5 }])
  // @ts-expect-error extensions are scalars
  await publisher.publish(placed, { orderId: 'o' }, { extensions: { tenant: {} } })
  // @ts-expect-error headers are strings
  await publisher.publish(placed, { orderId: 'o' }, { headers: { n: 1 } })
  // @ts-expect-error a time is a Date
  await publisher.publish(placed, { orderId: 'o' }, { expiresAt: 5 })
}

// Handlers of different contracts in one list, given at once or later.
const handlers = [
  on(placed, ({ data, envelope }) => void [data.orderId.length, data.lines?.[0]?.toFixed(), envelope.data?.orderId]),
  onBatch(charge, (items) => void items.map(({ data }) => data.cents.toFixed()), { maxCount: 5 }),
]
export const consumers: readonly ConsumerOptions[] = [{ handlers }, { handlers: () => handlers }]
service.consume('billing', { handlers, order: { by: 'partitionKey', onRetry: 'overtake' }, retry: { delaysMs: [0] } })
// @ts-expect-error handlers are required
service.consume('billing', {})
// @ts-expect-error handlers are made by on()
service.consume('billing', { handlers: [{ contract: placed, handler: () => {} }] })
// @ts-expect-error handlers are not made by a promise
service.consume('billing', { handlers: async () => handlers })
// @ts-expect-error order has a by
service.consume('billing', { handlers, order: { onRetry: 'overtake' } })
// @ts-expect-error an option that does not exist
service.consume('billing', { handlers, retry: { delays: [0] } })
// @ts-expect-error an option of batches for a single handler
on(placed, () => {}, { maxCount: 5 })

// @ts-expect-error outcomes are made by functions alone
export const forged: Outcome = { kind: 'complete' }

service.readDeadLetters({ destination: 'orders', group: 'billing' }, ({ reason, attempts, error, body }) => {
  const facts: [string, number | undefined, string | undefined, Uint8Array | null] = [
    reason,
    attempts,
    error?.message,
    body,
  ]
  return void facts
})
// @ts-expect-error the group is required
service.readDeadLetters({ destination: 'orders' }, () => {})

export function codes(error: unknown): string {
  const code: ErrorCode | undefined = codeOf(error)
  if (code === 'POSTHORN_PUBLISH_DEADLINE') return errorCodes[code].meaning
  // @ts-expect-error a code that does not exist
  return code === 'POSTHORN_PUBLISH_TIMEOUT' ? '' : 'other'
}

// A wire format and a port may be implemented with plain objects.
export const wireFormat: WireFormat = {
  read: (raw) => (raw.body === null ? 'foreign' : { specversion: '1.0', id: '1', source: '/s', type: 't' }),
  write: ({ data }) => ({ body: Buffer.from(JSON.stringify(data)), contentType: 'application/json', headers: {} }),
}
export const sender: Sender = { send: async (_target, _message, { deadline }) => ({ routed: deadline > 0 }) }
// @ts-expect-error a receipt says something
export const mute: Sender = { send: async () => {} }
