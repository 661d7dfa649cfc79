import { createHash, randomFillSync } from 'node:crypto'
import type { Clock } from './clock.js'

/** Makes message ids. */
export type IdGenerator = () => string

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const poolSize = 8 * 512

/**
 * UUIDv7 ids (RFC 9562, section 5.7): they sort by time, and those of one generator are strictly increasing, since the
 * twelve bits behind the milliseconds count.
 */
export function createUuidV7(clock: Clock): IdGenerator {
  const pool = Buffer.allocUnsafe(poolSize) // One system call per 512 ids.
  let used = poolSize
  let lastMs = 0
  let counter = 0

  return () => {
    if (used >= poolSize) {
      randomFillSync(pool)
      used = 0
    }
    const at = used
    used += 8
    const nowMs = clock.now()
    if (nowMs > lastMs) {
      lastMs = nowMs
      counter = ((pool[at]! & 0x07) << 8) | pool[at + 1]! // The top bit stays free, so that a burst has room to count.
    } else if (++counter > 0xfff) {
      lastMs += 1
      counter = 0
    }
    const high = Math.floor(lastMs / 0x10000)
    return (
      `${hex[(high >>> 24) & 0xff]}${hex[(high >>> 16) & 0xff]}${hex[(high >>> 8) & 0xff]}${hex[high & 0xff]}` +
      `-${hex[(lastMs >>> 8) & 0xff]}${hex[lastMs & 0xff]}-${hex[0x70 | (counter >>> 8)]}${hex[counter & 0xff]}` +
      `-${hex[0x80 | (pool[at + 2]! & 0x3f)]}${hex[pool[at + 3]!]}-${hex[pool[at + 4]!]}${hex[pool[at + 5]!]}` +
      `${hex[pool[at + 6]!]}${hex[pool[at + 7]!]}${hex[pool[at]! ^ pool[at + 4]!]}${hex[pool[at + 1]! ^ pool[at + 5]!]}`
    )
  }
}

/**
 * The id of a message that a handler publishes: the same inputs give the same id, so that a repeated attempt repeats
 * its ids and the inbox of the next service recognises them. A UUIDv8 (RFC 9562, section 5.8) over SHA-256.
 */
export function deriveId(parts: readonly (string | undefined)[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest()
  digest[6] = 0x80 | (digest[6]! & 0x0f)
  digest[8] = 0x80 | (digest[8]! & 0x3f)
  const text = digest.toString('hex', 0, 16)
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
}
