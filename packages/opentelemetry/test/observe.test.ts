import { context, trace } from '@opentelemetry/api'
import { createService, silentLogger } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import type { SendOptions, WireMessage } from '@posthorn/core/adapter'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { orderContract } from './oneOrder.js'
import { createSdk, idOf, registerContexts, traceparentOf, unregisterContexts } from './sdk.js'
import type { Sdk } from './sdk.js'

const message: WireMessage = {
  body: new Uint8Array(),
  contentType: 'application/json',
  id: 'm-1',
  type: 'com.example.a.v1',
  headers: {},
}
const options: SendOptions = { deadline: Infinity }

let sdk: Sdk
beforeAll(registerContexts)
afterAll(unregisterContexts)
beforeEach(() => {
  sdk = createSdk()
})
afterEach(() => sdk.close())

test('an instrumentation of a client makes no span of its own within a send, and the header stays ours', async () => {
  const tracer = sdk.providers.tracerProvider.getTracer('instrumentation of a client')
  let header: string | undefined
  const client: Transport = {
    ...createMemory(),
    system: 'rabbitmq',
    async send(_, sent) {
      tracer.startSpan('publish orders', {}, context.active()).end()
      header = sent.headers['traceparent']
      return { routed: true }
    },
  }
  await createOpenTelemetry(sdk.providers).observe(client).send({ destination: 'orders' }, message, options)
  expect(sdk.spans().map(({ name }) => name)).toEqual(['send orders:com.example.a.v1'])
  expect(header).toBe(traceparentOf(sdk.spans()[0]!.spanContext()))
})

test('a transport that throws instead of rejecting ends its span, and throws', () => {
  const client: Transport = {
    ...createMemory(),
    send() {
      throw new TypeError('against the port')
    },
  }
  const observed = createOpenTelemetry(sdk.providers).observe(client)
  expect(() => observed.send({ destination: 'orders' }, message, options)).toThrow(TypeError)
  expect(sdk.spans().map(({ attributes }) => attributes['error.type'])).toEqual(['TypeError'])
})

test('what must be routed and was not is a failed send; an event that nobody receives is none', async () => {
  const client: Transport = { ...createMemory(), send: () => Promise.resolve({ routed: false }) }
  const observed = createOpenTelemetry(sdk.providers).observe(client)
  await observed.send({ destination: 'orders' }, message, options)
  await observed.send({ destination: 'orders' }, message, { ...options, mustRoute: true })
  await observed.send({ dead: { destination: 'orders', group: 'billing' } }, message, options)
  const types = sdk.spans().map(({ attributes }) => attributes['error.type'])
  expect(types).toEqual([undefined, 'POSTHORN_PUBLISH_UNROUTED', 'POSTHORN_PUBLISH_UNROUTED'])
})

test('what is not sampled is passed on as such, and none of its spans is kept', async () => {
  const exporter = new InMemorySpanExporter()
  const sampler = new TraceIdRatioBasedSampler(0)
  const tracerProvider = new BasicTracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor(exporter)] })
  let header: string | undefined
  const client: Transport = {
    ...createMemory(),
    async send(_, sent) {
      header = sent.headers['traceparent']
      return { routed: true }
    },
  }
  await createOpenTelemetry({ tracerProvider }).observe(client).send({ destination: 'orders' }, message, options)
  expect(header).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  expect(exporter.getFinishedSpans()).toEqual([])
})

test('the state of a vendor goes on with the trace', async () => {
  let headers: Readonly<Record<string, string>> = {}
  const client: Transport = {
    ...createMemory(),
    async send(_, sent) {
      headers = sent.headers
      return { routed: true }
    },
  }
  const observed = createOpenTelemetry({ ...sdk.providers, correlation: 'parent' }).observe(client)
  const stored = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'vendor=a' }
  await observed.send({ destination: 'orders' }, { ...message, headers: stored }, options)
  const [span] = sdk.spans()
  expect(span?.parentSpanContext?.spanId).toBe('b7ad6b7169203331')
  expect(headers).toEqual({ traceparent: traceparentOf(span!.spanContext()), tracestate: 'vendor=a' })
})

test('a service takes nothing for telemetry that is none', () => {
  const make = (): unknown =>
    createService({ source: '/shop', logger: silentLogger, transport: createMemory(), telemetry: {} as never })
  expect(make).toThrow(expect.objectContaining({ code: 'POSTHORN_CONFIGURATION' }))
})

test('a captureTrace of the service wins over that of the telemetry', async () => {
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const telemetry = createOpenTelemetry(sdk.providers)
  const of = { source: '/shop', logger: silentLogger, transport: createMemory(), telemetry }
  const service = createService({ ...of, captureTrace: () => ({ traceparent: given }) })
  await service.start()
  await context.with(trace.setSpan(context.active(), sdk.providers.tracerProvider.getTracer('t').startSpan('x')), () =>
    service.publish(orderContract('orders'), { orderId: 'o-1', note: 'n' }),
  )
  await service.stop()
  const [send] = sdk.spans('send')
  expect(send!.links.map((link) => link.context.spanId)).toEqual(['b7ad6b7169203331'])
  expect(idOf(send!)).not.toBe('b7ad6b7169203331')
})
