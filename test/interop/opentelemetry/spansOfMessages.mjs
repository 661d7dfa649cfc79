// Prints the spans of four messages with the community's instrumentations active: node spansOfMessages.mjs REQUIRE_FROM BROKER FAST_PATH OURS
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

const [installed, broker, fastPath, ours] = process.argv.slice(2)
const requireInstalled = createRequire(installed)
const { AmqplibInstrumentation } = requireInstalled('@opentelemetry/instrumentation-amqplib')
const { KafkaJsInstrumentation } = requireInstalled('@opentelemetry/instrumentation-kafkajs')

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
for (const instrumentation of [new AmqplibInstrumentation(), new KafkaJsInstrumentation()]) {
  instrumentation.setTracerProvider(provider)
  instrumentation.enable()
}
// What is required is patched; what is imported afterwards is the same copy.
const requireHere = createRequire(import.meta.resolve(`@posthorn/${broker === 'kafka' ? 'kafka' : 'rabbitmq'}`))
requireHere(broker === 'kafka' ? 'kafkajs' : 'amqplib')

const { createService, defineEvent, on, silentLogger } = await import('@posthorn/core')
const { createOpenTelemetry } = await import('@posthorn/opentelemetry')
const { createRabbitMq } = await import('@posthorn/rabbitmq')
const { createKafka } = await import('@posthorn/kafka')

const options = { fastPath: fastPath === 'true' }
const transport =
  broker === 'kafka'
    ? createKafka({ ...options, partitions: 1, brokers: process.env.POSTHORN_KAFKA_BROKERS.split(',') })
    : createRabbitMq({ ...options, urls: process.env.POSTHORN_RABBITMQ_URL.split(',') })
const destination = `doubled-${randomUUID().slice(0, 12)}`
const orders = defineEvent({ type: 'com.example.order.v1', destination, schema: { type: 'object' } })
const telemetry = ours === 'true' ? { telemetry: createOpenTelemetry() } : {}
const service = createService({
  source: '/interop',
  logger: silentLogger,
  transport,
  publishes: [orders],
  ...telemetry,
})
const headers = []
let count = 0
const handled = new Promise((resolve) => {
  const handler = on(orders, (_, { headers: { traceparent } }) => {
    headers.push(traceparent ?? null)
    count += 1
    if (count === 4) resolve()
  })
  service.consume('billing', { retry: { delaysMs: [] }, handlers: [handler] })
})
await service.start()
// At once, so that on Kafka some of them are one batch.
await Promise.all([1, 2, 3, 4].map(() => service.publish(orders, {})))
await handled
await service.stop()
const spans = exporter.getFinishedSpans().map((span) => ({
  by: span.instrumentationScope.name,
  name: span.name.replaceAll(destination, 'orders'),
  id: span.spanContext().spanId,
}))
process.stdout.write(JSON.stringify({ destination, headers, spans }))
process.exit(0)
