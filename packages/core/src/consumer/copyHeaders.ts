import { hostname } from 'node:os'
import type { ValidationIssue } from '../errors.js'
import { noHeaders } from '../noHeaders.js'
import { describeError } from './describeError.js'

/** Version of what `posthorn-*` headers mean. */
export const wireVersion = '1'

/** The headers on retry copies and dead letters. Numbers are decimal, times ISO 8601 unless said. */
export const copyHeader = {
  wire: 'posthorn-wire',
  /** On a retry copy the number of the invocation to come, on a dead letter of the last one (0: never handled). */
  attempt: 'posthorn-attempt',
  firstFailedAt: 'posthorn-first-failed-at',
  lastFailedAt: 'posthorn-last-failed-at',
  /** Epoch milliseconds: core forwards the copy until then. */
  notBefore: 'posthorn-not-before',
  origin: 'posthorn-origin',
  reason: 'posthorn-reason',
  errorName: 'posthorn-error-name',
  errorMessage: 'posthorn-error-message',
  errorStack: 'posthorn-error-stack',
  group: 'posthorn-group',
  host: 'posthorn-host',
  /** JSON list of validation issues. */
  issues: 'posthorn-issues',
} as const

/**
 * The bytes of a broker's key that is no text, in base64. Deliveries and messages have it, records never: their key is those
 * bytes. So copies and replays, which keep the headers, keep the key.
 */
export const keyHeader = 'posthorn-key'

/** Why a message was dead-lettered. The broker's own reasons are added by the reader (`readDeadLetter`). */
export type DeadLetterReason =
  | 'undecodable'
  | 'foreign'
  | 'invalid'
  | 'unhandledType'
  | 'nonRetryable'
  | 'retriesExhausted'
  | 'expired'
  | 'crashLoop'
  | 'rejected'

/** RabbitMQ counts a republished `x-death` differently from version to version, so copies leave without it. */
const strippedPrefixes = ['x-death', 'x-first-death-', 'x-last-death-', 'x-delivery-count', 'x-acquired-count']

function keep(name: string): boolean {
  return !strippedPrefixes.some((prefix) => name.startsWith(prefix))
}

type Headers = Readonly<Record<string, string>>

/** What is known of a failed delivery. */
export interface FailureFacts {
  readonly attempt: number
  /** When its first attempt of all failed; undefined: now. */
  readonly firstFailedAt: string | undefined
  readonly group: string
  readonly origin: string
  readonly nowIso: string
  readonly error: unknown
}

/** Headers of a retry copy: the original's, plus attempt, origin and the first failure. */
export function retryHeaders(original: Headers, facts: FailureFacts, notBeforeMs: number | undefined): Headers {
  const headers = baseHeaders(original, facts)
  if (notBeforeMs !== undefined) headers[copyHeader.notBefore] = String(Math.ceil(notBeforeMs))
  return headers
}

/** Headers of a copy that is forwarded because its time has not come: the same, nothing counted. */
export function forwardHeaders(original: Headers): Headers {
  return Object.fromEntries(Object.entries(original).filter(([name]) => keep(name)))
}

/**
 * Headers of a dead letter: the original's plus why, where and when. Ours are cut to about 10 KB, for which transports leave
 * room beside those that they let a publisher write; where an original has more, `shorterCopy` makes the room.
 */
export function deadLetterHeaders(original: Headers, facts: FailureFacts, reason: DeadLetterReason): Headers {
  const headers = baseHeaders(original, facts)
  headers[copyHeader.reason] = reason
  headers[copyHeader.lastFailedAt] = facts.nowIso
  headers[copyHeader.group] = facts.group
  headers[copyHeader.host] = hostname()
  const { name, message, stack, issues } = describeError(facts.error)
  headers[copyHeader.errorName] = name
  headers[copyHeader.errorMessage] = message
  if (stack !== undefined) headers[copyHeader.errorStack] = stack
  if (issues !== undefined) headers[copyHeader.issues] = issuesText(issues)
  return headers
}

function baseHeaders(original: Headers, facts: FailureFacts): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of Object.keys(original)) if (keep(name)) headers[name] = original[name]!
  for (const name of rewritten) delete headers[name]
  headers[copyHeader.wire] = wireVersion
  headers[copyHeader.attempt] = String(facts.attempt)
  headers[copyHeader.origin] ||= facts.origin
  // A stranger may have written the header: only a time is taken over.
  if (!isTime(headers[copyHeader.firstFailedAt])) {
    headers[copyHeader.firstFailedAt] = facts.firstFailedAt ?? facts.nowIso
  }
  return headers
}

/** What an earlier copy said of its own failure says nothing of this one. */
const rewritten = [
  copyHeader.notBefore,
  copyHeader.reason,
  copyHeader.lastFailedAt,
  copyHeader.group,
  copyHeader.host,
  copyHeader.errorName,
  copyHeader.errorMessage,
  copyHeader.errorStack,
  copyHeader.issues,
]

const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/

function isTime(text: string | undefined): boolean {
  if (text === undefined || !isoTime.test(text)) return false
  const ms = Date.parse(text)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text.slice(0, 10)) // 30 February is parsed as 2 March.
}

/** As many issues as fit into 4 KiB, as JSON that stays whole. */
function issuesText(issues: readonly ValidationIssue[]): string {
  for (let count = issues.length; count > 0; count -= 1) {
    const json = JSON.stringify(issues.slice(0, count))
    if (json.length <= 4096) return json
  }
  return '[]'
}

/** A whole number from 1 in a header that somebody else may have written, else undefined; a count has 9 digits at most. */
export function countHeader(headers: Headers, name: string, maxDigits = 9): number | undefined {
  if (headers === noHeaders) return undefined
  const value = headers[name]
  return value !== undefined && value.length <= maxDigits && /^[1-9]\d*$/.test(value) ? Number(value) : undefined
}
