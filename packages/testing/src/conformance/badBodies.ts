import type { DeadLetterReason } from '@posthorn/core'
import { wireMessage } from './messages.js'

/** One way to be invalid. */
export interface BadBody {
  readonly name: string
  readonly reason: DeadLetterReason
  readonly message: { readonly body: Uint8Array; readonly contentType: string }
}

const structured = 'application/cloudevents+json; charset=UTF-8'

function raw(name: string, reason: DeadLetterReason, body: string | Uint8Array): BadBody {
  return { name, reason, message: { body: Buffer.from(body), contentType: structured } }
}

/** A structured event whose attributes are replaced; undefined takes one away. */
function event(name: string, reason: DeadLetterReason, changes: Readonly<Record<string, unknown>>): BadBody {
  const good = JSON.parse(Buffer.from(wireMessage(name).body ?? []).toString()) as object
  return raw(name, reason, JSON.stringify({ ...good, ...changes }))
}

/** Bodies that a consumer with limits of 5,000 bytes and depth 8 must not hand to a handler; no two are the same. */
export const badBodies: readonly BadBody[] = [
  raw('not-json', 'undecodable', '{"specversion":"1.0",'),
  raw('empty', 'undecodable', ' '),
  raw('not-utf8', 'undecodable', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])),
  raw('not-an-object', 'undecodable', '[1]'),
  event('too-large', 'undecodable', { data: { n: 1, text: 'x'.repeat(6_000) } }),
  event('too-deep', 'undecodable', { data: { n: 1, extra: [[[[[[[[[1]]]]]]]]] } }),
  raw('proto', 'undecodable', '{"specversion":"1.0","id":"p","source":"/p","type":"t","data":{"__proto__":{"n":1}}}'),
  event('other-version', 'invalid', { specversion: '9.9' }),
  event('no-id', 'invalid', { id: undefined }),
  event('long-id', 'invalid', { id: 'é'.repeat(128) }),
  event('bad-time', 'invalid', { time: 'yesterday' }),
  event('bad-extension', 'invalid', { 'Not-A-Name': 'x' }),
  event('no-data', 'invalid', { data: undefined }),
  event('bad-data', 'invalid', { data: { n: 'one' } }),
]
