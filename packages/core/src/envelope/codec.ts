import { SerializationError } from '../errors.js'
import { decodeText, mayNameProto, parseJson, refuseProto } from './jsonGuard.js'

/** Turns data into bytes and back, for one media type. */
export interface Codec {
  /** Media type of the bytes, lower case and without parameters: `application/json`. */
  readonly contentType: string
  encode(data: unknown): Uint8Array
  /** Throws when the bytes are not of this media type; nests no deeper than `maxDepth`. */
  decode(bytes: Uint8Array, maxDepth: number): unknown
}

/** JSON in UTF-8, the default. */
export const jsonCodec: Codec = {
  contentType: 'application/json',
  encode: (data) => Buffer.from(toJson(data)),
  decode: (bytes, maxDepth) => parseJson(decodeText(bytes), maxDepth),
}

/**
 * JSON text that says the same as the value: where `JSON.stringify` would silently change it (NaN and Infinity, holes,
 * functions in lists) or cannot write it, `POSTHORN_UNSERIALIZABLE` is thrown.
 */
export function toJson(value: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch {
    // The engine's message would show keys, and that of a toJSON may show data.
    throw unserializable('it has a cycle or a BigInt, or a toJSON that throws')
  }
  if (json === undefined) throw unserializable('the value has no JSON form')
  // Whatever JSON cannot say comes out as null or {}: without one there is nothing to look for.
  if (json.includes('null') || json.includes('{}')) refuseLossy(value)
  if (mayNameProto(json)) refuseProto(JSON.parse(json))
  return json
}

function refuseLossy(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw unserializable('NaN and Infinity have no JSON form')
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const element: unknown = value[index]
      if (element === undefined || typeof element === 'function' || typeof element === 'symbol') {
        throw unserializable('a list has an element without a JSON form')
      }
      refuseLossy(element)
    }
  } else if (typeof value === 'object' && value !== null) {
    if ('toJSON' in value && typeof value.toJSON === 'function')
      return refuseLossyForm(value, value.toJSON('') as unknown)
    if (shownEmpty.some((kind) => value instanceof kind))
      throw unserializable('a Map, Set, Promise or Error is no data')
    for (const child of Object.values(value)) refuseLossy(child)
  }
}

/** What is in these is no property of theirs; a Promise is a forgotten await. */
const shownEmpty = [Map, Set, WeakMap, WeakSet, Promise, Error, RegExp, ArrayBuffer]

/** What an object says of itself: an invalid Date says null. */
function refuseLossyForm(value: object, form: unknown): void {
  if (form === null && value instanceof Date) throw unserializable('an invalid Date has no JSON form')
  if (form !== value) refuseLossy(form)
}

function unserializable(reason: string): SerializationError {
  return new SerializationError({ code: 'POSTHORN_UNSERIALIZABLE', message: `The data cannot be written: ${reason}` })
}
