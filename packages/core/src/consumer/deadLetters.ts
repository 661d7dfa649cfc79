import type { Envelope } from '@posthorn/contracts'
import type { ValidationIssue } from '../errors.js'
import type { RawMessage } from '../envelope/wireFormat.js'
import type { Delivery } from '../ports.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import type { Telemetry } from '../telemetry.js'
import { traceIdOf } from '../logs/traceIds.js'
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

/** Takes dead letters of one group. Returning removes the dead letter; throwing leaves it where it is. */
export type DeadLetterHandler = (deadLetter: DeadLetter) => void | Promise<void>

/** How long a dead letter that its handler refused stays with us, so that it does not come back at once. */
const refusedMs = 1_000

/** Where dead letters are handed to their handler. */
export interface DeadLetterIntake {
  take(deliveries: readonly Delivery[]): void
  /** Resolves when no handler runs. */
  idle(): Promise<void>
}

/** Turns deliveries of a dead-letter queue into calls of a handler; settles each after its handler. */
export function createDeadLetterIntake(
  kit: MessagingKit,
  { destination, group }: { readonly destination: string; readonly group: string },
  handler: DeadLetterHandler,
): DeadLetterIntake {
  const running = new Set<Promise<void>>()

  function read(delivery: Delivery): DeadLetter {
    let envelope: Envelope | undefined
    try {
      const found = kit.wireFormatOf(destination).read(delivery, kit.wireContext)
      if (found !== 'foreign') envelope = found
    } catch {
      // The reason why it is here; the body is handed over as it is.
    }
    return readDeadLetter(delivery, envelope)
  }

  function observed(telemetry: Telemetry, delivery: Delivery, deadLetter: DeadLetter): unknown {
    const messages = [{ delivery, envelope: deadLetter.envelope }]
    const processing = { destination, group, source: 'dead' as const, isBatch: false, messages }
    return telemetry.process(processing, () => handler(deadLetter))
  }

  async function handle(delivery: Delivery): Promise<void> {
    let deadLetter: DeadLetter | undefined
    try {
      deadLetter = read(delivery)
      if (kit.telemetry?.isActive === true) await observed(kit.telemetry, delivery, deadLetter)
      else await handler(deadLetter)
      delivery.complete()
    } catch (error) {
      const { address, headers } = delivery
      const { id, type } = deadLetter?.envelope ?? {}
      const message = { messageId: id ?? delivery.id, type, traceId: traceIdOf(deadLetter?.envelope, headers) }
      const facts = { event: 'deadLetter.refused', destination, group, ...message, address, err: error }
      kit.logger.warn(facts, 'A dead-letter handler failed; the dead letter stays')
      kit.clock.schedule(refusedMs, () => delivery.release(), { background: true })
    }
  }

  return {
    take(deliveries) {
      for (const delivery of deliveries) {
        const work = handle(delivery)
        running.add(work)
        void work.finally(() => running.delete(work))
      }
    },
    async idle() {
      await Promise.allSettled(running)
    },
  }
}
