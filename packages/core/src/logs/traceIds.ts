import type { Envelope } from '@posthorn/contracts'

/** A place in a trace, as W3C Trace Context names it. */
export interface TraceIds {
  readonly traceId: string
  readonly spanId: string
}

/** "00", two hex ids and flags; later versions may append something. */
const shape = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/

/** The ids of a `traceparent`; undefined for what is none. https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceIdsOf(traceparent: unknown): TraceIds | undefined {
  if (typeof traceparent !== 'string' || traceparent.length > 200) return undefined
  const [, traceId, spanId] = shape.exec(traceparent) ?? []
  return traceId === undefined || spanId === undefined ? undefined : { traceId, spanId }
}

/** The trace in which a message was published, else that of its last hop; undefined where nobody traced it. */
export function traceIdOf(
  envelope: Envelope | undefined,
  headers: Readonly<Record<string, string>>,
): string | undefined {
  return (traceIdsOf(envelope?.['traceparent']) ?? traceIdsOf(headers['traceparent']))?.traceId
}
