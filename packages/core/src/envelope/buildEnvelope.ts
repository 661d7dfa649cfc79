import type { Contract, Envelope } from '@posthorn/contracts'
import { ConfigurationError } from '../errors.js'

/** Attributes that a caller may give to one message. */
export interface EnvelopeOptions {
  /** A stable id makes a repeated publish recognisable. @default a UUIDv7 */
  readonly id?: string
  /** Overrides the contract's `partitionKey`. */
  readonly partitionKey?: string
  readonly subject?: string
  /** When the event happened. @default now */
  readonly time?: Date
  readonly correlationId?: string
  readonly causationId?: string
  /** After this time no handler sees the message: it is dead-lettered as `expired`. */
  readonly expiresAt?: Date
  /** Where the data is kept when it does not travel with the message. */
  readonly dataref?: string
  readonly sequence?: string
  /** Further CloudEvents extension attributes: names of `a-z0-9`, values are strings, booleans or 32-bit integers. */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>
}

/** The trace that a message starts in, as W3C headers. */
export interface TraceHeaders {
  readonly traceparent?: string
  readonly tracestate?: string
  /** Stands in the hop's headers only, never in the envelope. */
  readonly baggage?: string
}

/** What every envelope of one publisher has. */
export interface EnvelopeDefaults {
  readonly source: string
  readonly id: string
  /** The present, RFC 3339. */
  readonly nowIso: string
  readonly trace: TraceHeaders | undefined
}

/** An envelope that decorators may still change. */
export type EnvelopeDraft = { -readonly [Name in keyof Envelope]: Envelope[Name] }

const documented = new Set([
  'specversion id source type time subject datacontenttype dataschema data data_base64 partitionkey correlationid',
  'causationid expirytime dataref sequence traceparent tracestate',
].join(' ').split(' ')) // prettier-ignore

/**
 * Builds the envelope of a message, not yet validated. Keys without a value are absent, since a schema of property
 * names sees also those whose value is undefined.
 */
export function buildEnvelope(
  contract: Contract,
  data: unknown,
  { options, defaults }: { readonly options: EnvelopeOptions; readonly defaults: EnvelopeDefaults },
): EnvelopeDraft {
  const envelope: EnvelopeDraft = {
    specversion: '1.0',
    id: options.id ?? defaults.id,
    source: defaults.source,
    type: contract.type,
    time: options.time === undefined ? defaults.nowIso : options.time.toISOString(),
    dataschema: contract.dataschema,
  }
  const key = options.partitionKey ?? contract.partitionKey(data)
  if (key !== undefined) envelope.partitionkey = key
  if (options.subject !== undefined) envelope.subject = options.subject
  if (options.correlationId !== undefined) envelope.correlationid = options.correlationId
  if (options.causationId !== undefined) envelope.causationid = options.causationId
  if (options.expiresAt !== undefined) envelope.expirytime = options.expiresAt.toISOString()
  if (options.dataref !== undefined) envelope.dataref = options.dataref
  if (options.sequence !== undefined) envelope.sequence = options.sequence
  if (defaults.trace?.traceparent !== undefined) envelope.traceparent = defaults.trace.traceparent
  if (defaults.trace?.tracestate !== undefined) envelope.tracestate = defaults.trace.tracestate
  if (options.extensions !== undefined) addExtensions(envelope, options.extensions)
  if (data !== undefined) envelope.data = data
  return envelope
}

function addExtensions(envelope: EnvelopeDraft, extensions: Readonly<Record<string, string | number | boolean>>): void {
  const taken = Object.keys(extensions).filter((name) => documented.has(name) || name === '__proto__')
  if (taken.length > 0) {
    throw new ConfigurationError(
      'The extensions',
      taken.map((name) => `extensions.${name} is an attribute with an option of its own; use that`),
    )
  }
  for (const [name, value] of Object.entries(extensions)) if (value !== undefined) envelope[name] = value
}
