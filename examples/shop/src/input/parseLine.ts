import { isUtf8 } from 'node:buffer'
import { codeOf, jsonCodec } from '@posthorn/core'
import { ShopError } from '../shopError.js'

/** Longest line of an input file and longest body of a request. */
export const maxLineBytes = 1_048_576

/** As deep as Posthorn lets data nest. */
const maxDepth = 64

/**
 * Reads JSON that somebody else wrote: bounded depth, strict UTF-8 (a byte order mark is fine), no `__proto__`. Throws an
 * error with a code whose message shows no data. What is an order, and what a user, is the contracts' business.
 */
export function parseLine(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new ShopError('SHOP_NOT_UTF8', 'The line is not valid UTF-8')
  try {
    return jsonCodec.decode(bytes, maxDepth)
  } catch (error) {
    // Core's one code for both; the encoding is fine, so it must be the JSON.
    if (codeOf(error) !== 'POSTHORN_UNDECODABLE') throw error
    throw new ShopError('SHOP_NOT_JSON', 'The line is not valid JSON')
  }
}
