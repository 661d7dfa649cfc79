import { Writable } from 'node:stream'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createService, defineEvent, on, onBatch } from '@posthorn/core'
import type { HandlerRegistration, Logger } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const orders = defineEvent({ type: 'com.example.order.v1', destination: 'orders', schema: { type: 'object' } })
type Line = Readonly<Record<string, unknown>>

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())

interface Seen {
  readonly lines: readonly Line[]
  /** The ids of the handler's span, as a line names them. */
  readonly process: { readonly traceId: string; readonly spanId: string } | undefined
  /** The trace in which the message was published. */
  readonly origin: string
}

/** Publishes within a span, and lets the handler write; with telemetry or without. */
async function observe(handlerOf: (logger: Logger) => HandlerRegistration, telemetered: boolean): Promise<Seen> {
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const lines: Line[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => (lines.push(JSON.parse(String(chunk)) as Line), done()),
  })
  // What @opentelemetry/instrumentation-pino adds, by the same means.
  const mixin = (): object => {
    const span = trace.getActiveSpan()?.spanContext()
    return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }
  }
  const logger = pino({ mixin }, stream)
  const telemetry = createOpenTelemetry({ tracerProvider })
  const given = telemetered ? { telemetry } : { captureTrace: telemetry.captureTrace }
  const service = createService({ source: '/logs', transport: createMemory(), logger, ...given })
  const consumer = service.consume('billing', { handlers: [handlerOf(logger)], retry: { delaysMs: [] } })
  await service.start()
  const tracer = tracerProvider.getTracer('test')
  const origin = await tracer.startActiveSpan('request', async (span) => {
    await service.publish(orders, {})
    span.end()
    return span.spanContext().traceId
  })
  await expect.poll(() => consumer.health().handled + consumer.health().deadLettered).toBe(1)
  await service.stop()
  const process = exporter.getFinishedSpans().find(({ name }) => name.startsWith('process'))
  return { lines, process: process?.spanContext(), origin }
}

/** Writes with the context's logger and with one of its own, also after something was awaited. */
const writing = (logger: Logger): HandlerRegistration =>
  on(orders, async (_, handler) => {
    handler.logger.info({}, 'by the context')
    await new Promise((resolve) => setImmediate(resolve))
    handler.logger.info({}, 'by the context')
    logger.info({}, 'by another logger')
  })

describe('with telemetry', () => {
  test('what a handler writes names its span, by the context’s logger and by any other', async () => {
    const { lines, process, origin } = await observe(writing, true)
    const { traceId, spanId } = process!
    expect(traceId).not.toBe(origin)
    const active = { trace_id: traceId, span_id: spanId }
    expect(lines).toMatchObject([
      { msg: 'by the context', traceId, spanId, ...active, group: 'billing', destination: 'orders', attempt: 1 },
      { msg: 'by the context', traceId, spanId, ...active },
      { msg: 'by another logger', ...active },
    ])
  })

  test('a batch names its span, and no message where it has several', async () => {
    const batch = (): HandlerRegistration =>
      onBatch(orders, (_, handler) => handler.logger.info({}, 'batch'), { maxCount: 10, maxWaitMs: 1 })
    const { lines, process } = await observe(batch, true)
    expect(lines).toMatchObject([{ msg: 'batch', traceId: process!.traceId, spanId: process!.spanId }])
  })

  test('a dead letter is told with the trace of the message, outside of any span', async () => {
    const failing = (): HandlerRegistration =>
      on(orders, () => {
        throw new Error('no')
      })
    const { lines, origin } = await observe(failing, true)
    expect(lines).toMatchObject([{ event: 'message.deadLettered', traceId: origin }])
  })
})

test('without telemetry the context’s logger has the trace in which the message was published', async () => {
  const { lines, origin, process } = await observe(writing, false)
  expect(process).toBeUndefined()
  expect(lines[0]).toMatchObject({ msg: 'by the context', traceId: origin })
  expect(lines[0]).not.toHaveProperty('spanId')
})

test('a message that is handled well writes nothing at info', async () => {
  const { lines } = await observe(() => on(orders, () => {}), true)
  expect(lines).toEqual([])
})
