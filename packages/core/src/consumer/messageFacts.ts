import { traceIdOf } from '../logs/traceIds.js'
import type { InFlight } from './inFlight.js'

/** What a record of the log says of the message that it is about. */
export interface MessageFacts {
  readonly messageId: string | undefined
  readonly type: string | undefined
  readonly destination: string
  readonly group: string
  readonly attempt: number
  readonly traceId: string | undefined
}

/** The stable fields of a message's records; undefined where the message could not be read. */
export function messageFacts({ delivery, destination, envelope, attempt }: InFlight, group: string): MessageFacts {
  const messageId = envelope?.id ?? delivery.id
  return {
    messageId,
    type: envelope?.type,
    destination,
    group,
    attempt,
    traceId: traceIdOf(envelope, delivery.headers),
  }
}
