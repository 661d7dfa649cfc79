/** Longest `id` and `type` on every transport, in bytes of UTF-8: AMQP 0-9-1 carries both as short strings. */
export const maxIdBytes = 255
/** Longest destination name, in characters: leaves room for group and rung within Kafka's 249 and AMQP's 255. */
export const maxDestinationLength = 100
/** Longest group name, in characters. */
export const maxGroupLength = 64

// CloudEvents forbids these characters in strings. With the flag u, the last range finds unpaired surrogates only.
// oxlint-disable-next-line no-control-regex
const forbiddenPattern = /[\u0000-\u001f\u007f-\u009f\ud800-\udfff]/u
const destinationPattern = /^[A-Za-z0-9._-]{1,100}$/
const groupPattern = /^[A-Za-z0-9_-]{1,64}$/
const reserved = new Set(['retry', 'dead'])
// Else a destination `orders.billing.retry.5000` were the same Kafka topic as a rung of the group billing on orders.
const rungPattern = /(?<=^|\.)retry\.[0-9]+$/

/**
 * Says what is wrong with a destination's name, or undefined when it works on every transport:
 * `[A-Za-z0-9._-]{1,100}`, not `.` or `..` (Kafka refuses them), not `amq.` at the start (RabbitMQ refuses it), and at
 * the end neither the segments `retry` and `dead` nor a rung's `retry.5000`, which are ours.
 */
export function destinationProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || !destinationPattern.test(name)) {
    return `destination ${quote(name)} must be 1 to ${maxDestinationLength} characters of A-Z a-z 0-9 . _ -`
  }
  if (name === '.' || name === '..') return `destination ${quote(name)} is refused by Kafka; use letters`
  if (name.startsWith('amq.')) return `destination ${quote(name)} begins with "amq.", which RabbitMQ keeps for itself`
  const last = name.slice(name.lastIndexOf('.') + 1)
  if (reserved.has(last)) return `destination ${quote(name)} ends in the reserved segment "${last}"`
  const rung = rungPattern.exec(name)?.[0]
  if (rung !== undefined) return `destination ${quote(name)} ends in "${rung}", which is reserved for retries`
  return undefined
}

/** Says what is wrong with a group's name, or undefined: `[A-Za-z0-9_-]{1,64}` (no dots), not `retry` or `dead`. */
export function groupProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || !groupPattern.test(name)) {
    return `group ${quote(name)} must be 1 to ${maxGroupLength} characters of A-Z a-z 0-9 _ - (no dots)`
  }
  if (reserved.has(name)) return `group ${quote(name)} is a reserved name`
  return undefined
}

/**
 * Says what is wrong with a message type or id, or undefined: not empty, at most 255 bytes of UTF-8, no control
 * characters and no unpaired surrogates (UTF-8 cannot carry these: they would arrive as another id).
 */
export function attributeProblem(label: 'id' | 'type', value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return `${label} must be a string that is not empty`
  if (forbiddenPattern.test(value)) return `${label} contains control characters or unpaired surrogates`
  // A UTF-16 unit is at most three bytes of UTF-8, so short values need no encoding.
  if (value.length > maxIdBytes / 3 && new TextEncoder().encode(value).length > maxIdBytes) {
    return `${label} is longer than ${maxIdBytes} bytes of UTF-8`
  }
  return undefined
}

function quote(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 120)) : `of type ${typeof value}`
}
