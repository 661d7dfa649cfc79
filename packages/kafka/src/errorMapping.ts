import { ConnectionError, PublishError, TopologyError } from '@posthorn/core/adapter'
import type { ErrorCode, PublishOutcome } from '@posthorn/core/adapter'
import { DriverError } from './driver/driverError.js'
import type { GivingUp } from './outgoing.js'

/** What an error says, for people. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The caller does not wait any longer. */
export function givenUpError(topic: string, why: GivingUp, outcome: PublishOutcome): PublishError {
  const sent = outcome === 'notSent' ? 'It was not sent.' : 'It may have arrived: publish again with the same id.'
  if (why === 'aborted') {
    const message = `The caller's signal ended the wait for topic "${topic}". ${sent}`
    return new PublishError({ code: 'POSTHORN_PUBLISH_ABORTED', outcome, message, details: { topic } })
  }
  const message = `Topic "${topic}" did not confirm the message by its deadline. ${sent}`
  return new PublishError({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome, message, details: { topic } })
}

/** The body is longer than the adapter sends. */
export function tooLongError(topic: string, length: number, limit: number): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_TOO_LARGE',
    outcome: 'notSent',
    message:
      `A body of ${length} bytes for topic "${topic}" exceeds maxBodyBytes (${limit}). ` +
      'Store the data elsewhere and send `dataref`.',
    details: { topic, length, limit },
  })
}

/** There is no connection that could carry the message. */
export function notConnectedError(topic: string, why: string): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_CONNECTION_LOST',
    outcome: 'notSent',
    message: `The message for topic "${topic}" was not sent: ${why}.`,
    details: { topic },
  })
}

/** The transport was closed before the confirmation came. */
export function closedError(topic: string, outcome: PublishOutcome): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_CONNECTION_LOST',
    outcome,
    message: `The transport was closed before topic "${topic}" confirmed the message.`,
    details: { topic },
  })
}

const publishCodes: Readonly<Partial<Record<DriverError['kind'], ErrorCode>>> = {
  tooLarge: 'POSTHORN_PUBLISH_TOO_LARGE',
  tooFewReplicas: 'POSTHORN_PUBLISH_REFUSED',
  authorization: 'POSTHORN_PUBLISH_REFUSED',
  unknownTopic: 'POSTHORN_PUBLISH_NO_DESTINATION',
  invalidTopic: 'POSTHORN_PUBLISH_NO_DESTINATION',
  authentication: 'POSTHORN_PUBLISH_CONNECTION_LOST',
  closed: 'POSTHORN_PUBLISH_CONNECTION_LOST',
}

/** The broker, or its client, refused a message for good. */
export function publishError(topic: string, cause: unknown, outcome: PublishOutcome): PublishError {
  if (cause instanceof PublishError) return cause
  const kind = cause instanceof DriverError ? cause.kind : 'other'
  return new PublishError({
    code: publishCodes[kind] ?? 'POSTHORN_PUBLISH_FAILED',
    // Missing rights do not come by themselves, though a full cluster recovers.
    ...(kind === 'authorization' || kind === 'authentication' ? { retryable: false } : {}),
    outcome,
    message: `Topic "${topic}" did not take the message: ${textOf(cause)}.`,
    details: { topic },
    cause,
  })
}

/** The topic is not there, and may not be created here. */
export function noTopicError(topic: string): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_NO_DESTINATION',
    outcome: 'notSent',
    message: `There is no topic "${topic}", and option topology does not allow to create it. Create it.`,
    details: { topic },
  })
}

/** Nobody answered by the deadline, or whoever answered refused us. */
export function connectError(brokers: readonly string[], cause: unknown): ConnectionError {
  if (cause instanceof DriverError && (cause.kind === 'authentication' || cause.kind === 'authorization')) {
    return new ConnectionError({
      code: 'POSTHORN_AUTHENTICATION',
      message: `Kafka at ${brokers.join(', ')} refused us (${cause.message}). Correct the credentials or grant access.`,
      details: { addresses: brokers },
      cause,
    })
  }
  const why = cause === undefined ? '' : ` (${textOf(cause)})`
  return new ConnectionError({
    code: 'POSTHORN_UNREACHABLE',
    message:
      `No Kafka broker answered in time at ${brokers.join(', ')}${why}. ` +
      'Check the addresses, and that the brokers run and accept connections.',
    details: { addresses: brokers },
    cause,
  })
}

/** A wait for the cluster ended since its signal fired or the transport was closed. */
export function endedError(brokers: readonly string[], why: string): ConnectionError {
  return new ConnectionError({
    code: 'POSTHORN_CONNECTION_LOST',
    message: `The wait for Kafka at ${brokers.join(', ')} ended: ${why}.`,
    details: { addresses: brokers },
    retryable: false,
  })
}

/** Topics are missing that may not be created here. */
export function missingTopicsError(topics: readonly string[], topology: string): TopologyError {
  return new TopologyError({
    code: 'POSTHORN_TOPOLOGY_MISSING',
    message: `With topology '${topology}', these topics must exist: ${topics.join(', ')}. Create them, or set 'apply'.`,
    details: { topics },
  })
}

/** A topic cannot be created as planned. */
export function cannotCreateError(topic: string, cause: unknown): TopologyError {
  return new TopologyError({
    code: 'POSTHORN_TOPOLOGY_MISSING',
    message: `Topic "${topic}" could not be created: ${textOf(cause)}. Create it yourself, or correct the options.`,
    details: { topic },
    cause,
  })
}
