// Prints what a handler writes by a pino that the community's instrumentation has patched, and its span: node linesOfHandler.mjs REQUIRE_FROM
import { createRequire } from 'node:module'
import { Writable } from 'node:stream'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

const { PinoInstrumentation } = createRequire(process.argv[2])('@opentelemetry/instrumentation-pino')
const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const instrumentation = new PinoInstrumentation()
instrumentation.setTracerProvider(provider)
instrumentation.enable()
const { pino } = createRequire(import.meta.url)('pino')

const { createService, defineEvent, on } = await import('@posthorn/core')
const { createMemory } = await import('@posthorn/memory')
const { createOpenTelemetry } = await import('@posthorn/opentelemetry')

const lines = []
const stream = new Writable({
  write(chunk, _encoding, done) {
    lines.push(JSON.parse(String(chunk)))
    done()
  },
})
const orders = defineEvent({ type: 'com.example.order.v1', destination: 'orders', schema: { type: 'object' } })
const service = createService({
  source: '/interop',
  transport: createMemory(),
  logger: pino(stream),
  telemetry: createOpenTelemetry(),
})
const handled = new Promise((resolve) => {
  const handler = on(orders, (_, { logger }) => {
    logger.info({}, 'handling')
    resolve()
  })
  service.consume('billing', { handlers: [handler] })
})
await service.start()
await service.publish(orders, {})
await handled
await service.stop()
const { traceId, spanId } = exporter
  .getFinishedSpans()
  .find(({ name }) => name.startsWith('process'))
  .spanContext()
process.stdout.write(JSON.stringify({ lines, process: { traceId, spanId } }))
