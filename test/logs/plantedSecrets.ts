import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'
import { createService, defineEvent, on } from '@posthorn/core'
import type { EventContract, Logger, Service, Transport } from '@posthorn/core'
import { pino } from 'pino'
import { expect } from 'vitest'

/** Must not come out, wherever it was put. */
export const secret = 'S3CR3T-4711'
export const group = 'billing'
const traceId = '0af7651916cd43dd8448eb211c80319c'

/** What a service writes by pino, everything. */
export interface Lines {
  readonly logger: Logger
  records(): Readonly<Record<string, unknown>>[]
  /** Fails where the secret stands, and where an event is missing: a log that says nothing shows nothing. */
  expectClean(...events: string[]): void
}

export function createLines(): Lines {
  const texts: string[] = []
  const stream = new Writable({ write: (chunk: Buffer, _encoding, done) => (texts.push(String(chunk)), done()) })
  const records = (): Record<string, unknown>[] => texts.map((text) => JSON.parse(text) as Record<string, unknown>)
  return {
    logger: pino({ level: 'debug' }, stream),
    records,
    expectClean(...events) {
      expect(records().map(({ event }) => event)).toEqual(expect.arrayContaining(events))
      expect(texts.filter((text) => text.includes(secret))).toEqual([])
    },
  }
}

/** An error such as clients and people make, with the secret in every place that they would put it. */
function treacherousError(data: unknown): Error {
  const said = `order ${JSON.stringify(data)} at amqp://user:${secret}@broker`
  const inner = Object.assign(new TypeError(`password=${secret}`), { code: 'E_INNER', config: { auth: secret } })
  const several = new AggregateError(
    [new Error(`postgres://app:${secret}@db/shop`), inner],
    `Authorization: Bearer ${secret}`,
  )
  return Object.assign(new Error(said, { cause: several }), { response: { data }, detail: `Key (id)=(${secret})` })
}

/**
 * Publishes an order whose handler fails with such an error until it is dead-lettered; the log names the message and
 * never the secret. Returns where it was published.
 */
export async function expectCleanDeadLetter(transport: Transport): Promise<string> {
  const destination = `logs-${randomUUID().slice(0, 12)}`
  const orders: EventContract<{ orderId: string }> = defineEvent.typed<{ orderId: string }>()({
    type: 'com.example.order.v1',
    destination,
    schema: { type: 'object' },
  })
  const lines = createLines()
  const captureTrace = (): { traceparent: string } => ({ traceparent: `00-${traceId}-b7ad6b7169203331-01` })
  const service = createService({ source: '/logs', transport, logger: lines.logger, publishes: [orders], captureTrace })
  const handlers = [
    on(orders, ({ data }, context) => {
      context.logger.info({ of: 'the handler' }, 'handling')
      throw treacherousError(data)
    }),
  ]
  const consumer = service.consume(group, { handlers, retry: { delaysMs: [0] } })
  await service.start()
  try {
    const { id } = await service.publish(orders, { orderId: secret })
    await expect.poll(() => consumer.health().deadLettered).toBe(1)
    const message = { messageId: id, type: orders.type, destination, group, traceId }
    const about = lines.records().filter(({ messageId }) => messageId === id)
    expect(about).toMatchObject([
      { ...message, of: 'the handler', attempt: 1 },
      { ...message, event: 'message.retried', attempt: 1 },
      { ...message, of: 'the handler', attempt: 2 },
      { ...message, event: 'message.deadLettered', attempt: 2, code: 'POSTHORN_RETRIES_EXHAUSTED' },
    ])
    const { err } = about[3] as unknown as { err: { causes: { name: string; code?: string }[] } }
    expect(err.causes.map(({ name, code }) => code ?? name)).toEqual(['Error', 'AggregateError', 'Error', 'E_INNER'])
  } finally {
    await service.stop()
  }
  lines.expectClean('message.deadLettered', 'message.retried')
  return destination
}

/** A start that is refused, or goes on waiting, until `event` stands in the log; then stopped. */
export async function expectCleanStart(transport: Transport, event: string): Promise<void> {
  const lines = createLines()
  const service: Service = createService({ source: '/logs', transport, logger: lines.logger })
  const starting = service.start({ ifUnavailable: 'wait', deadlineMs: 2_000 }).catch((error: unknown) => error)
  await expect.poll(() => lines.records().some((record) => record['event'] === event)).toBe(true)
  await service.stop()
  const error = await starting
  expect(error).toBeInstanceOf(Error)
  lines.expectClean(event)
  const told = lines.records().find((record) => record['event'] === event)
  expect(told?.['err']).toMatchObject({ message: expect.stringMatching(/.{10}/) as string })
}
