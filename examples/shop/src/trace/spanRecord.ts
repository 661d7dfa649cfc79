/** One span as the demo writes it. */
export interface SpanRecord {
  readonly service: string
  readonly name: string
  readonly kind: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string | undefined
  readonly startMs: number
  readonly durationMs: number
  readonly isError: boolean
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: readonly SpanLink[]
}

export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** What stands in the file. */
export interface TraceFile {
  readonly spans: readonly SpanRecord[]
}

/** The type of the messaging operation; undefined for other spans. */
export function operationOf(span: SpanRecord): unknown {
  return span.attributes['messaging.operation.type']
}

export function messageIdOf({ attributes }: Pick<SpanRecord, 'attributes'>): string | undefined {
  const id = attributes['messaging.message.id']
  return typeof id === 'string' ? id : undefined
}
