import type { Envelope } from '@posthorn/contracts'
import { SerializationError } from '../errors.js'
import { jsonCodec } from './codec.js'
import type { Codec } from './codec.js'
import { checkSize, decodeText, parseJson } from './jsonGuard.js'
import { isJson, mediaType } from './wireFormat.js'
import type { RawMessage, WireContext } from './wireFormat.js'

/** Content type of a structured CloudEvent in JSON, as we write it. */
export const structuredContentType = 'application/cloudevents+json; charset=UTF-8'
const structuredType = 'application/cloudevents+json'

/**
 * Reads a CloudEvent in either mode, by the detection rule of the Kafka binding (section 3): a content type that
 * starts with `application/cloudevents` is structured, otherwise attributes in headers make it binary, with every
 * prefix in use: `ce_` (Kafka), `cloudEvents_` and `cloudEvents:` (AMQP 1.0), `ce-` (HTTP, Knative on RabbitMQ).
 */
export function readCloudEvent(raw: RawMessage, context: WireContext, codec: Codec): Envelope | 'foreign' {
  // Ours, to the letter: most messages need no parsing of their content type.
  const type = raw.contentType === structuredContentType ? structuredType : mediaType(raw.contentType)
  if (type.startsWith('application/cloudevents')) return readStructured(raw, type, context, codec)
  const attributes = binaryAttributes(raw.headers)
  return attributes === undefined ? 'foreign' : readBinary(raw, attributes, context, codec)
}

function readStructured(raw: RawMessage, type: string, context: WireContext, codec: Codec): Envelope | 'foreign' {
  if (type !== structuredType) return 'foreign' // Batches and other formats are not ours to guess.
  if (raw.body === null) throw undecodable('A structured CloudEvent has no body')
  checkSize(raw.body.length, context.limits)
  const value = parseJson(decodeText(raw.body), context.limits.maxDepth + 1) // The envelope itself is one level.
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw undecodable('A structured CloudEvent is not a JSON object')
  }
  const envelope = value as Record<string, unknown>
  // JSON format, section 2.2: a null attribute counts as unset. Data may be null.
  for (const name in envelope) if (envelope[name] === null && name !== 'data') delete envelope[name]
  if (typeof envelope['data_base64'] === 'string' && !('data' in envelope)) {
    decodeBase64(envelope, envelope['data_base64'], context, codec)
  }
  return envelope as unknown as Envelope
}

/** Data that a codec understands is decoded; what none does stays base64, for the contract's schema to describe. */
function decodeBase64(envelope: Record<string, unknown>, base64: string, context: WireContext, codec: Codec): void {
  const chosen = codecFor(envelope['datacontenttype'], codec)
  if (chosen === undefined) return
  const bytes = Buffer.from(base64, 'base64')
  // Node.js passes over what is no base64: damaged text stays as it is, and the envelope's schema refuses it in a moment.
  if (base64.length % 4 !== 0 || bytes.length !== Buffer.byteLength(base64, 'base64')) return
  delete envelope['data_base64']
  envelope['data'] = decodeWith(chosen, bytes, context)
}

function readBinary(
  raw: RawMessage,
  attributes: Record<string, string>,
  context: WireContext,
  codec: Codec,
): Envelope | 'foreign' {
  const envelope: Record<string, unknown> = attributes
  if (raw.contentType !== '') envelope['datacontenttype'] = raw.contentType
  if (raw.body !== null && raw.body.length > 0) {
    checkSize(raw.body.length, context.limits)
    const chosen = codecFor(envelope['datacontenttype'], codec)
    if (chosen === undefined) envelope['data_base64'] = Buffer.from(raw.body).toString('base64')
    else envelope['data'] = decodeWith(chosen, raw.body, context)
  }
  return envelope as unknown as Envelope
}

const prefixes = ['ce_', 'ce-', 'cloudevents_', 'cloudevents:']

function binaryAttributes(headers: Readonly<Record<string, string>>): Record<string, string> | undefined {
  let attributes: Record<string, string> | undefined
  for (const name of Object.keys(headers)) {
    const lower = name.toLowerCase()
    const prefix = prefixes.find((candidate) => lower.startsWith(candidate))
    // `ce_datacontenttype` is written by some SDKs beside the content type; the binding says the content type counts.
    if (prefix === undefined || lower === `${prefix}datacontenttype`) continue
    if (lower === `${prefix}data` || lower === `${prefix}data_base64`) continue // Data is the body, never a header.
    attributes ??= {}
    const attribute = lower.slice(prefix.length)
    if (attribute === '__proto__') throw undecodable('A header names the attribute __proto__')
    attributes[attribute] = headers[name]!
  }
  return attributes !== undefined && 'specversion' in attributes ? attributes : undefined
}

function codecFor(contentType: unknown, codec: Codec): Codec | undefined {
  if (contentType === undefined) return codec
  if (typeof contentType !== 'string') return undefined // The envelope's schema refuses it in a moment.
  const type = mediaType(contentType)
  if (type === codec.contentType) return codec
  return isJson(type) ? jsonCodec : undefined
}

function decodeWith(codec: Codec, bytes: Uint8Array, context: WireContext): unknown {
  try {
    return codec.decode(bytes, context.limits.maxDepth)
  } catch (error) {
    if (error instanceof SerializationError) throw error
    throw undecodable(`The data is not valid ${codec.contentType}`)
  }
}

function undecodable(message: string): SerializationError {
  return new SerializationError({ code: 'POSTHORN_UNDECODABLE', message })
}
