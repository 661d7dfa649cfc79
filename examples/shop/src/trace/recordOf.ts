import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import type { SpanRecord } from './spanRecord.js'

/** A span of the SDK, as it stands in the file. */
export function recordOf(span: ReadableSpan): SpanRecord {
  const { traceId, spanId } = span.spanContext()
  return {
    service: String(span.resource.attributes['service.name']),
    name: span.name,
    kind: SpanKind[span.kind],
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    startMs: milliseconds(span.startTime),
    durationMs: milliseconds(span.duration),
    isError: span.status.code === SpanStatusCode.ERROR,
    attributes: span.attributes,
    links: span.links.map((link) => ({
      traceId: link.context.traceId,
      spanId: link.context.spanId,
      attributes: link.attributes ?? {},
    })),
  }
}

function milliseconds([seconds, nanoseconds]: readonly [number, number]): number {
  return seconds * 1_000 + nanoseconds / 1_000_000
}
