import type { Envelope } from '@posthorn/contracts'
import type { Codec } from './codec.js'
import type { Limits } from './jsonGuard.js'

/** A message as it stands on the wire, without what only the broker knows. */
export interface RawMessage {
  readonly body: Uint8Array | null
  readonly contentType: string
  readonly headers: Readonly<Record<string, string>>
}

/** What a wire format is told about its surroundings. */
export interface WireContext {
  readonly limits: Limits
  /** Prefix of CloudEvents headers in binary mode on this transport. */
  readonly binaryPrefix: string
}

/**
 * How envelopes of one destination are written and read. Both directions work on an envelope that is not yet, or
 * already, validated: the core validates every envelope after `read` and before `write`.
 */
export interface WireFormat {
  /**
   * `write` uses `binaryPrefix`. An outbox refuses such a format unless it knows which transport its relay has, because
   * the prefix is the transport's. @default false
   */
  readonly needsBinaryPrefix?: boolean
  /** Gives `'foreign'` for what is no message of this format; throws a `SerializationError` for a damaged one. */
  read(raw: RawMessage, context: WireContext): Envelope | 'foreign'
  write(envelope: Envelope, context: WireContext): RawMessage
}

/** Options of the two CloudEvents modes. */
export interface CloudEventsModeOptions {
  /** For data that is not JSON. @default JSON */
  readonly codec?: Codec
}

/** Media type without parameters, in lower case. */
export function mediaType(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

/** `application/json`, `text/json` and every `+json` type (RFC 6839). */
export function isJson(type: string): boolean {
  return type === 'application/json' || type === 'text/json' || type.endsWith('+json')
}
