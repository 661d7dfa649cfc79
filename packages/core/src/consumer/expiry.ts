import type { Envelope } from '@posthorn/contracts'

/** When a message expires, in epoch milliseconds; Infinity for one that never does. */
export function expiryMs(envelope: Envelope | undefined): number {
  const text = envelope?.expirytime
  if (text === undefined) return Infinity
  // RFC 3339 has leap seconds, `Date` has not: the second before is as near as it gets.
  return Date.parse(text.replace(/^(.{17})60/, '$159'))
}
