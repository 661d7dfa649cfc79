import type { Envelope } from '@posthorn/contracts'
import { readCloudEvent, structuredContentType } from './cloudEventsReader.js'
import { jsonCodec, toJson } from './codec.js'
import { checkDepth, checkSize } from './jsonGuard.js'
import type { CloudEventsModeOptions, WireFormat } from './wireFormat.js'

/**
 * The default wire format: the whole event as one JSON object in the body, the same bytes on every broker. It is also
 * the cheap one: the same facts as headers cost 30 to 45 % more CPU. Reads both CloudEvents modes.
 */
export function structuredMode(options: CloudEventsModeOptions = {}): WireFormat {
  const codec = options.codec ?? jsonCodec
  const isJsonCodec = codec === jsonCodec
  return {
    read: (raw, context) => readCloudEvent(raw, context, codec),
    write(envelope, context) {
      const json = toJson(isJsonCodec || envelope.data === undefined ? envelope : withBase64(envelope))
      checkDepth(json, context.limits.maxDepth + 1)
      const body = Buffer.from(json)
      checkSize(body.length, context.limits)
      return { body, contentType: structuredContentType, headers: noHeaders }
    },
  }

  function withBase64(envelope: Envelope): object {
    const { data, ...attributes } = envelope
    const data_base64 = Buffer.from(codec.encode(data)).toString('base64')
    return { ...attributes, datacontenttype: codec.contentType, data_base64 }
  }
}

const noHeaders: Readonly<Record<string, string>> = Object.freeze({})
