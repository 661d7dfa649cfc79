import type { Envelope } from '@posthorn/contracts'

/** When a message expires, in epoch milliseconds; Infinity for one that never does. */
export function expiryMs(envelope: Envelope | undefined): number {
  const text = envelope?.expirytime
  return text === undefined ? Infinity : timestampMs(text)
}

/** A valid timestamp of an envelope in epoch milliseconds. */
export function timestampMs(text: string): number {
  // RFC 3339 has leap seconds, `Date` has not: the second before is as near as it gets.
  return Date.parse(text.replace(/^(.{17})60/, '$159'))
}
