import type { Envelope } from '@posthorn/contracts'
import { jsonCodec, toJson } from './codec.js'
import { checkDepth, checkSize } from './jsonGuard.js'
import { isJson, mediaType } from './wireFormat.js'
import type { RawMessage, WireFormat } from './wireFormat.js'

/** How plain JSON bodies become envelopes. */
export interface PlainJsonOptions {
  /** The attributes of a message, at least `id`, `source` and `type`; undefined when the message is not one of ours. */
  readonly attributes: (data: unknown, raw: RawMessage) => PlainJsonAttributes | undefined
}

/** Attributes that a plain message does not carry itself; `specversion` is added. */
export interface PlainJsonAttributes {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly [attribute: string]: string | number | boolean
}

/**
 * For destinations shared with services that know no CloudEvents: the body is the data as JSON, and nothing else is on
 * the wire. What a reader needs beyond the data comes from `attributes`; an id must be stable, or duplicates cannot be
 * told.
 */
export function plainJson(options: PlainJsonOptions): WireFormat {
  return {
    read(raw, context) {
      const type = mediaType(raw.contentType)
      if (raw.body === null || (type !== '' && !isJson(type))) return 'foreign'
      checkSize(raw.body.length, context.limits)
      const data = jsonCodec.decode(raw.body, context.limits.maxDepth)
      const attributes = options.attributes(data, raw)
      return attributes === undefined ? 'foreign' : ({ ...attributes, specversion: '1.0', data } satisfies Envelope)
    },
    write(envelope, context) {
      const json = toJson(envelope.data)
      checkDepth(json, context.limits.maxDepth)
      const body = Buffer.from(json)
      checkSize(body.length, context.limits)
      return { body, contentType: 'application/json', headers: {} }
    },
  }
}
