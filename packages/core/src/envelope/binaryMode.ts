import { readCloudEvent } from './cloudEventsReader.js'
import { jsonCodec } from './codec.js'
import { checkDepth, checkSize, decodeText } from './jsonGuard.js'
import type { CloudEventsModeOptions, WireFormat } from './wireFormat.js'

/**
 * CloudEvents binary mode: the body is the data alone, the attributes are headers. For consumers that cannot read the
 * structured form; it costs more CPU than that. An event without data has no body: a tombstone on Kafka. Reads both
 * modes.
 */
export function binaryMode(options: CloudEventsModeOptions = {}): WireFormat {
  const codec = options.codec ?? jsonCodec
  return {
    needsBinaryPrefix: true,
    read: (raw, context) => readCloudEvent(raw, context, codec),
    write(envelope, context) {
      const { data, data_base64, datacontenttype, ...attributes } = envelope
      const body =
        data !== undefined ? codec.encode(data) : data_base64 === undefined ? null : Buffer.from(data_base64, 'base64')
      if (body !== null) {
        checkSize(body.length, context.limits)
        if (codec === jsonCodec && data !== undefined) checkDepth(decodeText(body), context.limits.maxDepth)
      }
      const headers: Record<string, string> = {}
      for (const [name, value] of Object.entries(attributes)) {
        if (value !== undefined) headers[context.binaryPrefix + name] = `${value as string | number | boolean}`
      }
      return { body, contentType: datacontenttype ?? codec.contentType, headers }
    },
  }
}
