import { context, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'

type Headers = Readonly<Record<string, string>>

/** The two spans of a message as an application makes them with the least effort, and nothing else: no metrics, no spans of receipt and settlement. */
export interface SpansByHand {
  /** Runs `send` within its span, with the headers that tell of it. */
  publish<Result>(send: (headers: Headers) => Promise<Result>): Promise<Result>
  /** Runs a handler within a span that is linked to the one that sent the message. */
  handle(headers: Headers, handler: () => void): void
}

/** Makes spans with as many attributes as those of `@posthorn/opentelemetry`. */
export function createSpansByHand(system: string, destination: string): SpansByHand {
  const tracer = trace.getTracer('bench')
  const attributesOf = (name: string, type: string): Record<string, string> => ({
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.system': system,
    'messaging.destination.name': destination,
    'messaging.consumer.group.name': 'billing',
    'server.address': '127.0.0.1',
  })
  const send = { kind: SpanKind.PRODUCER, attributes: attributesOf('send', 'send') }
  const process = { kind: SpanKind.CONSUMER, attributes: attributesOf('process', 'process') }

  return {
    async publish(work) {
      const span = tracer.startSpan(`send ${destination}`, send, ROOT_CONTEXT)
      const { traceId, spanId, traceFlags } = span.spanContext()
      try {
        return await work({ traceparent: `00-${traceId}-${spanId}-0${traceFlags}` })
      } finally {
        span.end()
      }
    },
    handle({ traceparent = '' }, handler) {
      const [, traceId = '', spanId = '', flags] = traceparent.split('-')
      const sent = { traceId, spanId, traceFlags: Number(flags), isRemote: true }
      const span = tracer.startSpan(`process ${destination}`, { ...process, links: [{ context: sent }] }, ROOT_CONTEXT)
      context.with(trace.setSpan(ROOT_CONTEXT, span), handler)
      span.end()
    },
  }
}
