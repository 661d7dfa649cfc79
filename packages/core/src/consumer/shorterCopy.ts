import { codeOf } from '../errors.js'
import type { WireMessage } from '../ports.js'
import { copyHeader, keyHeader } from './copyHeaders.js'
import { read } from './describeError.js'

type Headers = WireMessage['headers']

/** A copy whose headers a transport may take. */
export interface ShorterCopy {
  readonly message: WireMessage
  /** Names of the headers that are not on it, and are on the one that was refused. */
  readonly leftOut: readonly string[]
}

/** A copy that was refused. */
export interface RefusedCopy {
  readonly message: WireMessage
  /** The headers of the message that it is a copy of. */
  readonly original: Headers
  /** Before the names of attributes of an event in headers: without them it cannot be read. */
  readonly binaryPrefix: string
}

/** What says most of a failure at most length, and stands in the log as well. */
const ourLongest: ReadonlySet<string> = new Set([copyHeader.errorStack, copyHeader.issues])

/** Short, and nobody could tell without them what became of the message. */
const needed: ReadonlySet<string> = new Set([
  copyHeader.wire,
  copyHeader.attempt,
  copyHeader.firstFailedAt,
  copyHeader.lastFailedAt,
  copyHeader.notBefore,
  copyHeader.reason,
  copyHeader.errorName,
  copyHeader.group,
  copyHeader.host,
  // No header where it is sent.
  keyHeader,
])

/**
 * The copy with fewer headers, when it was refused for their length: without our own details first, then without the
 * longest others. Undefined when that is not the reason, or when nothing is left to leave out: somebody who published past
 * us may use all the room that there is, and his message must still find its way to the dead letters.
 */
export function shorterCopy(error: unknown, { message, original, binaryPrefix }: RefusedCopy): ShorterCopy | undefined {
  let excess = excessBytes(error, message.headers, original)
  if (!(excess > 0)) return undefined
  const names = Object.keys(message.headers).filter((name) => !needed.has(name))
  const rankOf = (name: string): number => {
    if (ourLongest.has(name)) return 0
    return name.startsWith(binaryPrefix) || name === copyHeader.errorMessage ? 2 : 1
  }
  const sizes = new Map(names.map((name) => [name, bytesOf(name, message.headers[name]!)]))
  names.sort((a, b) => rankOf(a) - rankOf(b) || sizes.get(b)! - sizes.get(a)!)
  const headers: Record<string, string> = { ...message.headers }
  const leftOut: string[] = []
  for (const name of names) {
    if (excess <= 0) break
    excess -= sizes.get(name)!
    delete headers[name]
    leftOut.push(name)
  }
  return leftOut.length === 0 ? undefined : { message: { ...message, headers }, leftOut }
}

/** By how much the headers are too long; where the limit is not known, what the copy has more of them than its original. */
function excessBytes(error: unknown, headers: Headers, original: Headers): number {
  if (codeOf(error) !== 'POSTHORN_PUBLISH_TOO_LARGE') return 0
  const details = read(error as object, 'details') as { headerBytes?: unknown; maxHeaderBytes?: unknown } | undefined
  const { headerBytes, maxHeaderBytes } = details ?? {}
  if (typeof headerBytes !== 'number') return 0
  if (typeof maxHeaderBytes === 'number') return headerBytes - maxHeaderBytes
  return totalBytes(headers) - totalBytes(original)
}

function totalBytes(headers: Headers): number {
  let bytes = 0
  for (const name of Object.keys(headers)) bytes += bytesOf(name, headers[name]!)
  return bytes
}

/** Without what a protocol adds to each: rather one header too many is left out than one too few. */
function bytesOf(name: string, value: string): number {
  return Buffer.byteLength(name) + Buffer.byteLength(value)
}
