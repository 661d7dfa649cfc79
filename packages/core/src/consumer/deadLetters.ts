import type { Envelope } from '@posthorn/contracts'
import type { ValidationIssue } from '../errors.js'
import type { RawMessage } from '../envelope/wireFormat.js'
import type { Delivery } from '../ports.js'
import { copyHeader, countHeader } from './copyHeaders.js'
import type { DeadLetterReason } from './copyHeaders.js'

/** What a dead letter says of itself, the same on every broker. */
export interface DeadLetter extends RawMessage {
  /** Our reason, or `deliveryLimit` and `expired` where the broker put the message aside by itself. */
  readonly reason: DeadLetterReason | 'deliveryLimit' | 'unknown'
  /** Invocations of handlers; undefined where only the broker wrote. */
  readonly attempts: number | undefined
  readonly error: { readonly name: string; readonly message: string; readonly stack: string | undefined } | undefined
  readonly issues: readonly ValidationIssue[]
  readonly firstFailedAt: string | undefined
  readonly lastFailedAt: string | undefined
  /** Where the message stood when it first failed: `rabbitmq:orders.billing`. */
  readonly origin: string | undefined
  readonly group: string | undefined
  readonly host: string | undefined
  /** As text: the broker's, else that of the event. Who sends the message again gives it, with all headers. */
  readonly partitionKey: string | undefined
  /** The event, where the body can be read. */
  readonly envelope: Envelope | undefined
}

const brokerReasons: Readonly<Record<string, DeadLetter['reason']>> = {
  delivery_limit: 'deliveryLimit',
  expired: 'expired',
  rejected: 'rejected',
}

/** Reads the facts of a dead letter from its headers; RabbitMQ's own `x-first-death-*` are put into our words. */
export function readDeadLetter(raw: RawMessage & Pick<Delivery, 'partitionKey'>, envelope?: Envelope): DeadLetter {
  const { headers } = raw
  const ours = headers[copyHeader.reason] as DeadLetterReason | undefined
  const name = headers[copyHeader.errorName]
  const theirs = headers['x-first-death-reason'] ?? ''
  const attempt = headers[copyHeader.attempt]
  return {
    body: raw.body,
    contentType: raw.contentType,
    headers,
    reason: ours ?? (Object.hasOwn(brokerReasons, theirs) ? brokerReasons[theirs] : undefined) ?? 'unknown',
    attempts: attempt === '0' ? 0 : countHeader(headers, copyHeader.attempt),
    error:
      name === undefined
        ? undefined
        : { name, message: headers[copyHeader.errorMessage] ?? '', stack: headers[copyHeader.errorStack] },
    issues: issuesOf(headers[copyHeader.issues]),
    firstFailedAt: headers[copyHeader.firstFailedAt],
    lastFailedAt: headers[copyHeader.lastFailedAt],
    origin: headers[copyHeader.origin] ?? headers['x-first-death-queue'],
    group: headers[copyHeader.group],
    host: headers[copyHeader.host],
    partitionKey: raw.partitionKey ?? envelope?.partitionkey,
    envelope,
  }
}

function issuesOf(json: string | undefined): readonly ValidationIssue[] {
  if (json === undefined) return []
  try {
    const value: unknown = JSON.parse(json)
    return Array.isArray(value) ? (value as ValidationIssue[]) : []
  } catch {
    return [] // Somebody else wrote the header; the dead letter itself is still worth reading.
  }
}

/**
 * Takes dead letters of one group. Returning removes the dead letter; throwing leaves it where it is, and it comes again after
 * a wait that grows to a minute.
 */
export type DeadLetterHandler = (deadLetter: DeadLetter) => void | Promise<void>
