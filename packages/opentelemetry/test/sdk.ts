import { context, propagation } from '@opentelemetry/api'
import type { Attributes, SpanContext } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { DataPoint, MetricData } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'

/** An SDK whose spans and measurements stay in memory. */
export interface Sdk {
  /** As `createOpenTelemetry` takes them. */
  readonly providers: { readonly tracerProvider: BasicTracerProvider; readonly meterProvider: MeterProvider }
  /** Those that have ended, of one kind of operation where it is named. */
  spans(operation?: string): ReadableSpan[]
  metrics(): Promise<MetricData[]>
  /** The points of one metric. */
  points(name: string): Promise<readonly DataPoint<unknown>[]>
  close(): Promise<void>
}

/** What an application registers once, in its first file: contexts that follow promises, and the W3C headers. */
export function registerContexts(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()]
  propagation.setGlobalPropagator(new CompositePropagator({ propagators }))
}

export function unregisterContexts(): void {
  context.disable()
  propagation.disable()
}

export function createSdk(): Sdk {
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })

  async function metrics(): Promise<MetricData[]> {
    metricExporter.reset()
    await reader.forceFlush()
    return metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
  }

  return {
    providers: { tracerProvider, meterProvider },
    spans(operation) {
      const all = exporter.getFinishedSpans()
      return operation === undefined
        ? all
        : all.filter(({ attributes }) => attributes['messaging.operation.type'] === operation)
    },
    metrics,
    async points(name) {
      const found = (await metrics()).find(({ descriptor }) => descriptor.name === name)
      return (found?.dataPoints as readonly DataPoint<unknown>[] | undefined) ?? []
    },
    async close() {
      await tracerProvider.shutdown()
      await meterProvider.shutdown()
    },
  }
}

/** What a span is linked to. */
export function linkedIds(span: ReadableSpan): string[] {
  return span.links.map(({ context: linked }) => linked.spanId)
}

export function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId
}

export function parentIdOf(span: ReadableSpan): string | undefined {
  return span.parentSpanContext?.spanId
}

export function traceparentOf({ traceId, spanId }: SpanContext): string {
  return `00-${traceId}-${spanId}-01`
}

export type { Attributes, ReadableSpan }
