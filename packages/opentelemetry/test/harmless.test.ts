import { context, metrics, propagation, trace } from '@opentelemetry/api'
import type { TextMapPropagator, TracerProvider } from '@opentelemetry/api'
import { createService, on, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import type { MemoryBroker } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import type { Telemetry } from '@posthorn/opentelemetry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { linkedIds, createSdk, registerContexts, unregisterContexts } from './sdk.js'
import { only } from './expectConventions.js'
import { orderContract } from './oneOrder.js'
import type { Sdk } from './sdk.js'

const orderPlaced = orderContract('orders')
const order = { orderId: 'o-1', note: 'n' }
const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'

let sdk: Sdk
let broker: MemoryBroker
let service: Service
let handled: number

beforeEach(() => {
  registerContexts()
  sdk = createSdk()
  broker = createMemoryBroker()
  handled = 0
})
afterEach(async () => {
  await service.stop()
  broker.close()
  await sdk.close()
  unregisterContexts()
  trace.disable()
  metrics.disable()
})

async function start(telemetry: Telemetry): Promise<void> {
  const of = { source: '/shop/checkout', logger: silentLogger, transport: createMemory({ broker }) }
  service = createService({ ...of, telemetry })
  service.consume('billing', { handlers: [on(orderPlaced, () => void (handled += 1))] })
  await service.start()
}

/** A producer that knows nothing of traces, and sends the headers that it is given. */
async function publishWith(headers: Readonly<Record<string, string>>): Promise<void> {
  const plain = createService({ source: '/old', logger: silentLogger, transport: createMemory({ broker }) })
  await plain.start()
  await plain.publish(orderPlaced, order, { headers })
  await plain.stop()
}

describe('a traceparent that somebody else wrote', () => {
  const damaged: Readonly<Record<string, string>> = {
    'nothing of the kind': 'hello',
    'in upper case': `00-${traceId.toUpperCase()}-${spanId.toUpperCase()}-01`,
    'all zero': `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`,
    'of the forbidden version': `ff-${traceId}-${spanId}-01`,
    'too short': `00-${traceId}-01`,
    'a megabyte': `00-${'a'.repeat(1_000_000)}`,
    'with control characters': `00-${traceId}-${spanId}-01\r\nx: y`,
  }

  test.each(Object.keys(damaged))('%s: the message is handled in a trace of its own, and counted', async (what) => {
    await start(createOpenTelemetry(sdk.providers))
    await publishWith({ traceparent: damaged[what]! })
    await expect.poll(() => sdk.spans('settle')).toHaveLength(1)
    expect(handled).toBe(1)
    expect(only(sdk, 'process').links).toEqual([])
    expect((await sdk.points('posthorn.trace_context.damaged')).map(({ value }) => value)).toEqual([1])
  })

  test('none at all: the message is handled in a trace of its own', async () => {
    await start(createOpenTelemetry(sdk.providers))
    await publishWith({})
    await expect.poll(() => sdk.spans('settle')).toHaveLength(1)
    expect(only(sdk, 'process').links).toEqual([])
    expect(await sdk.points('posthorn.trace_context.damaged')).toEqual([])
  })

  test.each(['traceparent', 'Traceparent', 'TRACEPARENT'])('named %s it is found', async (name) => {
    await start(createOpenTelemetry(sdk.providers))
    await publishWith({ [name]: `00-${traceId}-${spanId}-01` })
    await expect.poll(() => sdk.spans('settle')).toHaveLength(1)
    expect(linkedIds(only(sdk, 'process'))).toEqual([spanId])
  })

  test('baggage without end is left out', async () => {
    let seen: unknown = 'nothing'
    const of = { source: '/shop', logger: silentLogger, transport: createMemory({ broker }) }
    service = createService({ ...of, telemetry: createOpenTelemetry(sdk.providers) })
    const handler = on(orderPlaced, () => void (seen = propagation.getActiveBaggage()))
    service.consume('billing', { handlers: [handler] })
    await service.start()
    const bomb = Array.from({ length: 3_000 }, (_, index) => `k${index}=v`).join(',')
    await publishWith({ baggage: bomb, traceparent: `00-${traceId}-${spanId}-01` })
    await expect.poll(() => sdk.spans('settle')).toHaveLength(1)
    expect(seen).toBeUndefined()
  })
})

describe('an SDK that is not there', () => {
  test('messages pass as they are, and nothing is active', async () => {
    const telemetry = createOpenTelemetry()
    expect(telemetry.isActive).toBe(false)
    await start(telemetry)
    await service.publish(orderPlaced, order)
    await service.stop()
    expect(handled).toBe(1)
  })

  test('one that is registered later gets what comes then', async () => {
    const telemetry = createOpenTelemetry()
    await start(telemetry)
    await service.publish(orderPlaced, order)
    trace.setGlobalTracerProvider(sdk.providers.tracerProvider)
    metrics.setGlobalMeterProvider(sdk.providers.meterProvider)
    expect(telemetry.isActive).toBe(true)
    await service.publish(orderPlaced, order)
    await expect.poll(() => handled).toBe(2)
    await expect.poll(() => sdk.spans('settle').length).toBeGreaterThan(0)
    expect(sdk.spans('send')).toHaveLength(1)
    expect((await sdk.points('messaging.client.sent.messages')).map(({ value }) => value)).toEqual([1])
  })

  test('without a context manager and propagators the consumer is linked all the same', async () => {
    unregisterContexts()
    await start(createOpenTelemetry(sdk.providers))
    await service.publish(orderPlaced, order)
    await expect.poll(() => sdk.spans('settle')).toHaveLength(1)
    expect(linkedIds(only(sdk, 'process'))).toEqual([only(sdk, 'send').spanContext().spanId])
  })

  test('one for metrics alone measures, and makes no span', async () => {
    await start(createOpenTelemetry({ meterProvider: sdk.providers.meterProvider }))
    await service.publish(orderPlaced, order)
    await expect.poll(() => sdk.points('messaging.process.duration')).toHaveLength(1)
    expect(sdk.spans()).toEqual([])
  })
})

describe('an SDK that fails', () => {
  const fails = (): never => {
    throw new Error('the exporter is broken')
  }

  test('no message is lost over a tracer that throws', async () => {
    const tracer = { startSpan: fails, startActiveSpan: fails }
    const tracerProvider: TracerProvider = { getTracer: () => tracer }
    await start(createOpenTelemetry({ tracerProvider }))
    await service.publish(orderPlaced, order)
    await service.stop()
    expect(handled).toBe(1)
    expect(broker.queues().every(({ ready, unsettled }) => ready + unsettled === 0)).toBe(true)
  })

  test('no message is lost over a propagator that throws', async () => {
    propagation.disable()
    propagation.setGlobalPropagator({ inject: fails, extract: fails, fields: () => [] } as TextMapPropagator)
    await start(createOpenTelemetry(sdk.providers))
    const span = sdk.providers.tracerProvider.getTracer('test').startSpan('POST /orders')
    await context.with(trace.setSpan(context.active(), span), () => service.publish(orderPlaced, order))
    await service.stop()
    expect(handled).toBe(1)
  })
})

test('problems of the options are told all at once', () => {
  service = createService({ source: '/shop', logger: silentLogger, transport: createMemory() })
  const wrong = { correlation: 'both', spans: ['publish'], maxNameCount: 0, sampled: 0.1 } as never
  expect(() => createOpenTelemetry(wrong)).toThrow(
    expect.objectContaining({ code: 'POSTHORN_CONFIGURATION', details: { problems: expect.any(Array) } }),
  )
  try {
    createOpenTelemetry(wrong)
  } catch (error) {
    expect((error as { details: { problems: unknown[] } }).details.problems).toHaveLength(4)
  }
})
