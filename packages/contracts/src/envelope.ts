/**
 * A message as it exists between services: a CloudEvents 1.0 event with the documented extensions that Posthorn uses.
 * Attribute names are those of the CloudEvents specification, verbatim. Unknown extensions pass through untouched.
 *
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes
 */
export interface Envelope<Data = unknown> {
  readonly specversion: '1.0'
  /** Unique together with `source`; at most 255 bytes of UTF-8. */
  readonly id: string
  /** URI-reference of the producing service. */
  readonly source: string
  /** At most 255 bytes of UTF-8. The major version of the schema is part of it: `com.example.order.placed.v1`. */
  readonly type: string
  /** RFC 3339. */
  readonly time?: string
  readonly subject?: string
  /** Media type of `data`; absent means `application/json`. */
  readonly datacontenttype?: string
  /** Absolute URI of the exact schema that `data` was validated against by the producer. */
  readonly dataschema?: string
  readonly data?: Data
  /** Base64 of binary data; excludes `data`. */
  readonly data_base64?: string
  readonly partitionkey?: string
  readonly correlationid?: string
  readonly causationid?: string
  /** RFC 3339: after this time no handler sees the message; it is dead-lettered as `expired`. */
  readonly expirytime?: string
  readonly dataref?: string
  readonly sequence?: string
  /** The trace context of the place where the message was first published (the origin, not the hop). */
  readonly traceparent?: string
  readonly tracestate?: string
  readonly [extension: string]: unknown
}
