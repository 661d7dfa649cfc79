import { isAscii } from 'node:buffer'
import { SerializationError } from '../errors.js'

/** What a body may be at most, checked before it is parsed. */
export interface Limits {
  /** @default 1_048_576 (1 MiB): larger data belongs elsewhere, with a `dataref` to it */
  readonly maxBodyBytes: number
  /** Nesting of objects and arrays in `data`. @default 64: recursion over deeper JSON overflows the stack */
  readonly maxDepth: number
}

export const defaultLimits: Limits = { maxBodyBytes: 1_048_576, maxDepth: 64 }

const utf8 = new TextDecoder('utf-8', { fatal: true }) // Not fatal, it would put U+FFFD in place of bad bytes.

/** Decodes UTF-8 strictly (a byte order mark is dropped); throws `POSTHORN_UNDECODABLE`. */
export function decodeText(body: Uint8Array): string {
  // Most JSON is ASCII: to see that and copy it costs half of decoding.
  if (Buffer.isBuffer(body) && isAscii(body)) return body.toString('latin1')
  try {
    return utf8.decode(body)
  } catch {
    throw new SerializationError({ code: 'POSTHORN_UNDECODABLE', message: 'The body is not valid UTF-8' })
  }
}

/** Throws `POSTHORN_TOO_LARGE` when the body has more bytes than allowed. */
export function checkSize(bytes: number, limits: Limits): void {
  if (bytes <= limits.maxBodyBytes) return
  throw new SerializationError({
    code: 'POSTHORN_TOO_LARGE',
    message: `The body has ${bytes} bytes; limits.maxBodyBytes allows ${limits.maxBodyBytes}`,
    details: { bytes, maxBodyBytes: limits.maxBodyBytes },
  })
}

/** Parses JSON text of bounded depth without `__proto__` keys; throws a `SerializationError` that shows no data. */
export function parseJson(json: string, maxDepth: number): unknown {
  checkDepth(json, maxDepth)
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    // The message of JSON.parse quotes the text, which is data.
    throw new SerializationError({ code: 'POSTHORN_UNDECODABLE', message: 'The body is not valid JSON' })
  }
  if (mayNameProto(json)) refuseProto(value)
  return value
}

/** Throws `POSTHORN_TOO_DEEP` when JSON text nests deeper than allowed. */
export function checkDepth(json: string, maxDepth: number): void {
  if (!hasMoreOpeners(json, maxDepth) || depthOf(json, maxDepth) <= maxDepth) return
  throw new SerializationError({
    code: 'POSTHORN_TOO_DEEP',
    message: `The JSON is nested deeper than the allowed ${maxDepth} levels`,
    details: { maxDepth },
  })
}

/** Whether a key `__proto__` can stand in the text, also written with escapes. */
export function mayNameProto(json: string): boolean {
  return json.includes('__proto__') || json.includes('\\u')
}

/** Throws `POSTHORN_FORBIDDEN_KEY` when an object in `value` has an own key `__proto__`. */
export function refuseProto(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (Object.hasOwn(value, '__proto__')) {
    throw new SerializationError({ code: 'POSTHORN_FORBIDDEN_KEY', message: 'An object has a key named __proto__' })
  }
  for (const child of Object.values(value)) refuseProto(child)
}

/** Text with at most `max` opening brackets cannot nest deeper: a few native searches spare a walk over every character. */
function hasMoreOpeners(json: string, max: number): boolean {
  let count = 0
  for (let at = json.indexOf('{'); at !== -1; at = json.indexOf('{', at + 1)) if (++count > max) return true
  for (let at = json.indexOf('['); at !== -1; at = json.indexOf('[', at + 1)) if (++count > max) return true
  return false
}

/** Depth of JSON text, up to one more than `max`; brackets within strings do not count. */
function depthOf(json: string, max: number): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === 0x22) at = endOfString(json, at)
    else if (unit === 0x7b || unit === 0x5b) {
      depth += 1
      if (depth > deepest) deepest = depth
      if (deepest > max) return deepest
    } else if (unit === 0x7d || unit === 0x5d) depth -= 1
  }
  return deepest
}

function endOfString(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === 0x5c) at += 1
    else if (unit === 0x22) return at
  }
  return json.length
}
