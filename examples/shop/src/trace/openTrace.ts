import { writeFile } from 'node:fs/promises'
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { recordOf } from './recordOf.js'
import { createMonitored } from './monitored.js'
import type { MonitoringAddress } from './monitored.js'
import type { TraceFile } from './spanRecord.js'
import type { Trace } from './trace.js'

/** Who is told of a run; each of them may be missing. */
export interface TraceOptions {
  /** Gets every span at the end; until then they are kept in memory, which is fine for a demo, and for nothing else. */
  readonly file?: string | undefined
  /** Spans are sent to where `OTEL_EXPORTER_OTLP_ENDPOINT` says. */
  readonly otlp: boolean
  /** Where what the services measure, and how they are, can be read. */
  readonly metrics?: MonitoringAddress | undefined
}

/** A trace that somebody has to close. */
export interface OpenTrace extends Trace {
  /** Writes the file, if there is one, sends what was not sent, and ends what was begun. */
  close(): Promise<void>
}

/** Begins to watch. */
export async function openTrace({ file, otlp, metrics }: TraceOptions): Promise<OpenTrace> {
  const kept = new InMemorySpanExporter()
  const spanProcessors: SpanProcessor[] = []
  if (file !== undefined) spanProcessors.push(new SimpleSpanProcessor(kept))
  if (otlp) spanProcessors.push(new BatchSpanProcessor(new OTLPTraceExporter()))
  const served = metrics === undefined ? undefined : createMonitored(metrics)
  const providerOf = (service: string): BasicTracerProvider =>
    new BasicTracerProvider({ spanProcessors, resource: resourceFromAttributes({ 'service.name': service }) })
  const tracer = providerOf('customers').getTracer('demo')
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()]
  propagation.setGlobalPropagator(new CompositePropagator({ propagators }))
  const isTraced = spanProcessors.length > 0

  return {
    telemetryOf: (service) =>
      createOpenTelemetry({
        ...(isTraced ? { tracerProvider: providerOf(service) } : {}),
        ...(served === undefined ? {} : { meterProvider: served.providerOf(service) }),
      }),
    underSpan: (name, work) =>
      tracer.startActiveSpan(name, async (span) => {
        try {
          return await work()
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR })
          throw error
        } finally {
          span.end()
        }
      }),
    serve: async (health) => served?.serve(health),
    async close() {
      if (file !== undefined) {
        const written: TraceFile = { spans: kept.getFinishedSpans().map(recordOf) }
        await writeFile(file, `${JSON.stringify(written)}\n`)
      }
      await Promise.all([served?.close(), ...spanProcessors.map((processor) => processor.shutdown())])
      context.disable()
      propagation.disable()
      trace.disable()
    },
  }
}
