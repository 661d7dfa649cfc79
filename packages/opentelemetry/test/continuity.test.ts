import { context, propagation, trace } from '@opentelemetry/api'
import { createService, defineEvent, on, onBatch, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import type { OpenTelemetryOptions } from '@posthorn/opentelemetry'
import { createInbox, createMemoryStore, createOutbox, createRelay, handlersWith } from '@posthorn/outbox'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { unconnected } from './connection.js'
import { only } from './expectConventions.js'
import { orderContract } from './oneOrder.js'
import { seeRetriedOrder } from './retriedOrder.js'
import { createSdk, idOf, linkedIds, parentIdOf, registerContexts, unregisterContexts } from './sdk.js'
import type { ReadableSpan, Sdk } from './sdk.js'

const orderPlaced = orderContract('orders')
const schema = { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } } as const
const orderPaid = defineEvent({ type: 'com.example.shop.order.paid.v1', destination: 'payments', schema })
const order = { orderId: 'o-1', note: 'n' }

let sdk: Sdk
let services: Service[]

beforeAll(registerContexts)
afterAll(unregisterContexts)
beforeEach(() => {
  sdk = createSdk()
  services = []
})
afterEach(async () => {
  await Promise.all(services.map((service) => service.stop()))
  await sdk.close()
})

const telemetryOf = (options: OpenTelemetryOptions = {}): ReturnType<typeof createOpenTelemetry> =>
  createOpenTelemetry({ ...sdk.providers, ...options })

function serviceWith(options: Partial<Parameters<typeof createService>[0]> = {}): Service {
  const of = { source: '/shop/checkout', logger: silentLogger, telemetry: telemetryOf() }
  const service = createService({ transport: createMemory(), ...of, ...options })
  services.push(service)
  return service
}

/** Runs work as the handler of a request would, under a span of its own. */
async function underSpan<Result>(work: () => Promise<Result>): Promise<Result> {
  const span = sdk.providers.tracerProvider.getTracer('test').startSpan('POST /orders')
  const result = await context.with(trace.setSpan(context.active(), span), work)
  span.end()
  return result
}

const origin = (): ReadableSpan => sdk.spans().find(({ name }) => name === 'POST /orders')!

describe('from a publish to its handlers', () => {
  test('retries and the dead letter are connected, and the copies are sent by the call that failed', async () => {
    const seen = await seeRetriedOrder(createMemory(), 'orders')
    expect(seen.attempts).toEqual([1, 2])
    expect(seen.unconnected).toEqual([])
    const [first, second, dead] = seen.sdk.spans('process') as [ReadableSpan, ReadableSpan, ReadableSpan]
    const [, retry, deadSend] = seen.sdk.spans('send') as [ReadableSpan, ReadableSpan, ReadableSpan]
    expect(parentIdOf(retry)).toBe(idOf(first))
    expect(parentIdOf(deadSend)).toBe(idOf(second))
    expect(linkedIds(second)).toEqual([idOf(retry), idOf(seen.origin)])
    expect(linkedIds(dead)).toEqual([idOf(deadSend), idOf(seen.origin)])
    expect(first.attributes['error.type']).toBe('RangeError')
    expect(first.status).toEqual({ code: 2 })
  })

  test('as parent, retries and the dead letter are one trace', async () => {
    const seen = await seeRetriedOrder(createMemory(), 'orders', { correlation: 'parent' })
    const ids = seen.sdk.spans('process').map((span) => span.spanContext().traceId)
    expect(new Set(ids)).toEqual(new Set([seen.origin.spanContext().traceId]))
  })

  test('a repetition within the process is one receipt and two calls', async () => {
    const service = serviceWith()
    const done = new Promise<void>((resolve) => {
      const handler = on(orderPlaced, (_, { attempt }) => {
        if (attempt === 1) throw new Error('again')
        resolve()
      })
      service.consume('billing', { retry: { delaysMs: [0] }, handlers: [handler] })
    })
    await service.start()
    await service.publish(orderPlaced, order)
    await done
    await expect.poll(() => sdk.spans('settle')).toHaveLength(1)
    expect(sdk.spans('process')).toHaveLength(2)
    expect(sdk.spans('receive')).toHaveLength(1)
  })

  test('a follow-up and a replay by a dead-letter handler are children of the call that sent them', async () => {
    const service = serviceWith()
    const paid = new Promise<void>((resolve) => {
      service.consume('mail', { handlers: [on(orderPaid, () => resolve())] })
    })
    service.consume('billing', {
      retry: { delaysMs: [] },
      handlers: [
        on(orderPlaced, () => {
          throw new Error('no')
        }),
      ],
    })
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, async () => {
      await service.publish(orderPaid, { orderId: 'o-1' })
    })
    await service.start()
    await underSpan(() => service.publish(orderPlaced, order))
    await paid
    await expect.poll(() => sdk.spans('settle')).toHaveLength(3)
    expect(unconnected(sdk.spans(), origin())).toEqual([])
    const dead = sdk.spans('process').find(({ name }) => name === 'process orders.billing.dead')!
    const sent = sdk.spans('send').find(({ name }) => name === 'send payments')!
    expect(parentIdOf(sent)).toBe(idOf(dead))
  })

  test('a batch is one span, with what differs from message to message on its links', async () => {
    const service = serviceWith()
    const sizes: number[] = []
    const handler = onBatch(orderPlaced, (items) => void sizes.push(items.length), { maxCount: 3, maxWaitMs: 60_000 })
    service.consume('billing', { handlers: [handler] })
    await service.start()
    const list = ['o-1', 'o-2', 'o-3'].map((orderId) => ({ orderId, note: 'n' }))
    const results = await service.publishMany(orderPlaced, list)
    await expect.poll(() => sdk.spans('settle')).toHaveLength(3)
    expect(sizes).toEqual([3])
    for (const span of [only(sdk, 'receive'), only(sdk, 'process')]) {
      expect(span.attributes['messaging.batch.message_count']).toBe(3)
      expect(span.attributes['messaging.message.id']).toBeUndefined()
      expect(span.links.map(({ attributes }) => attributes?.['messaging.message.id'])).toEqual(
        results.map(({ id }) => id),
      )
      expect(linkedIds(span)).toEqual(sdk.spans('send').map(idOf))
    }
  })

  test('a publish that waited for room in the window keeps the trace of its caller', async () => {
    const service = serviceWith({ maxUnconfirmed: 1 })
    await service.start()
    const publishes = [1, 2, 3].map(() => underSpan(() => service.publish(orderPlaced, order)))
    await Promise.all(publishes)
    const origins = sdk.spans().filter(({ name }) => name === 'POST /orders')
    expect(new Set(sdk.spans('send').map(parentIdOf))).toEqual(new Set(origins.map(idOf)))
  })

  test('baggage reaches the handler, and what the handler publishes; the envelope does not have it', async () => {
    const service = serviceWith()
    const seen: unknown[] = []
    const tenant = (): string | undefined => propagation.getActiveBaggage()?.getEntry('tenant')?.value
    service.consume('billing', {
      handlers: [
        on(orderPlaced, async ({ envelope }, { publish }) => {
          seen.push(tenant(), Object.keys(envelope).includes('baggage'))
          await publish(orderPaid, { orderId: 'o-1' })
        }),
      ],
    })
    const done = new Promise<void>((resolve) => {
      service.consume('mail', { handlers: [on(orderPaid, () => resolve(void seen.push(tenant())))] })
    })
    await service.start()
    const baggage = propagation.createBaggage({ tenant: { value: 'acme' } })
    await context.with(propagation.setBaggage(context.active(), baggage), () => service.publish(orderPlaced, order))
    await done
    expect(seen).toEqual(['acme', false, 'acme'])
  })
})

describe('through outbox, relay and inbox', () => {
  async function throughOutbox(options: OpenTelemetryOptions): Promise<void> {
    const store = createMemoryStore()
    const telemetry = telemetryOf(options)
    const outbox = createOutbox({ source: '/shop/checkout', store, telemetry })
    const inbox = createInbox({ store, outbox })
    const service = serviceWith({ telemetry })
    service.attach(inbox)
    service.attach(createRelay({ store, listen: false, pollIntervalMs: 20 }))
    const handled = handlersWith(inbox).on(orderPlaced, async (_, { publish }) => {
      await publish(orderPaid, { orderId: 'o-1' })
    })
    service.consume('billing', { handlers: [handled] })
    const paid = new Promise<void>((resolve) => {
      service.consume('mail', { handlers: [on(orderPaid, () => resolve())] })
    })
    await service.start()
    await underSpan(() => store.transaction((tx) => outbox.publish(tx, orderPlaced, order)))
    await paid
    await expect.poll(() => sdk.spans('settle')).toHaveLength(2)
    expect(unconnected(sdk.spans(), origin())).toEqual([])
  }

  test('everything is connected to the insert by links', async () => {
    await throughOutbox({})
    const [sent] = sdk.spans('send')
    expect(parentIdOf(sent!)).toBeUndefined()
    expect(linkedIds(sent!)).toEqual([idOf(origin())])
  })

  test('as parent, everything is one trace', async () => {
    await throughOutbox({ correlation: 'parent' })
    const spans = [...sdk.spans('send'), ...sdk.spans('process')]
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([origin().spanContext().traceId]))
  })
})

test('a bridge from one broker to another connects both sides', async () => {
  const far = serviceWith({ source: '/far', transport: createMemory({ broker: createMemoryBroker() }) })
  const near = serviceWith()
  const bridge = on(orderPlaced, async ({ data, envelope }) => {
    await far.publish(orderPlaced, data, { id: envelope.id })
  })
  near.consume('bridge', { handlers: [bridge] })
  const arrived = new Promise<void>((resolve) => {
    far.consume('billing', { handlers: [on(orderPlaced, () => resolve())] })
  })
  await far.start()
  await near.start()
  await underSpan(() => near.publish(orderPlaced, order))
  await arrived
  await expect.poll(() => sdk.spans('settle')).toHaveLength(2)
  expect(unconnected(sdk.spans(), origin())).toEqual([])
})
