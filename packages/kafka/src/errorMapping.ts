import { ConnectionError, PublishError, TopologyError } from '@posthorn/core/adapter'
import type { ErrorCode, PublishOutcome } from '@posthorn/core/adapter'
import type { OutgoingRecord } from './driver/driver.js'
import { DriverError } from './driver/driverError.js'
import { headerBytesOf } from './messageSize.js'
import type { Settings } from './options.js'
import { tlsProblemOf } from './tlsProblem.js'
import { describeDifferences } from './topicInspection.js'
import type { Difference } from './topicInspection.js'

/** What an error says, for people. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Why the caller does not wait any longer. */
export type GivingUp = 'deadline' | 'aborted'

/** What is known of a message that is given up. */
export interface GivenUp {
  readonly outcome: PublishOutcome
  /** What its last attempt ended with. */
  readonly last?: unknown
}

const mayHaveArrived = 'It may have arrived: publish again with the same id.'

/** The caller does not wait any longer. */
export function givenUpError(topic: string, why: GivingUp, { outcome, last }: GivenUp): PublishError {
  // The brokers answered all the time, and said what is missing.
  if (why === 'deadline' && last instanceof DriverError && last.kind === 'tooFewReplicas') {
    return publishError(topic, last, outcome)
  }
  const sent = outcome === 'notSent' ? 'It was not sent.' : mayHaveArrived
  if (why === 'aborted') {
    const message = `The caller's signal ended the wait for topic "${topic}". ${sent}`
    return new PublishError({ code: 'POSTHORN_PUBLISH_ABORTED', outcome, message, details: { topic } })
  }
  const lately = last === undefined ? '' : ` The last attempt: ${textOf(last)}.`
  const message = `Topic "${topic}" did not confirm the message by its deadline. ${sent}${lately}`
  return new PublishError({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome, message, details: { topic }, cause: last })
}

/** With its key, headers and what the protocol adds, the message is larger than the adapter sends. */
export function tooMuchError(topic: string, length: number, limit: number): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_TOO_LARGE',
    outcome: 'notSent',
    message:
      `A message for topic "${topic}" takes ${length} bytes with its key and headers; ${limit} fit. ` +
      'Send fewer or shorter headers, or raise maxBatchBytes if the topic takes more.',
    details: { topic, length, limit },
  })
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
  tls: 'POSTHORN_PUBLISH_CONNECTION_LOST',
  credentials: 'POSTHORN_PUBLISH_CONNECTION_LOST',
  closed: 'POSTHORN_PUBLISH_CONNECTION_LOST',
}

/** The broker, or its client, refused a message for good. */
export function publishError(topic: string, cause: unknown, outcome: PublishOutcome): PublishError {
  return refusedError(topic, cause, { outcome })
}

/** What is known of a message that was refused. */
export interface Refused {
  readonly outcome: PublishOutcome
  readonly record?: OutgoingRecord
}

/** The same, and of one that is too large how much of it are headers: a copy may go with fewer. How many fit is not known. */
export function refusedError(topic: string, cause: unknown, { outcome, record }: Refused): PublishError {
  if (cause instanceof PublishError) return cause
  const kind = cause instanceof DriverError ? cause.kind : 'other'
  return new PublishError({
    code: publishCodes[kind] ?? 'POSTHORN_PUBLISH_FAILED',
    // Missing rights do not come by themselves, though a full cluster recovers.
    ...(kind === 'authorization' || kind === 'authentication' ? { retryable: false } : {}),
    outcome,
    message: `Topic "${topic}" did not take the message: ${textOf(cause)}.`,
    details:
      kind === 'tooLarge' && record !== undefined ? { topic, headerBytes: headerBytesOf(record.headers) } : { topic },
    cause,
  })
}

/** The topic is not there, or not any more, and may not be created here. */
export function noTopicError(topic: string, outcome: PublishOutcome): PublishError {
  const before = outcome === 'notSent' ? '' : ` ${mayHaveArrived}`
  return new PublishError({
    code: 'POSTHORN_PUBLISH_NO_DESTINATION',
    outcome,
    message: `There is no topic "${topic}", and option topology does not allow to create it. Create it.${before}`,
    details: { topic },
  })
}

type Reachable = Pick<Settings, 'brokers' | 'tls'>

/** Nobody answered by the deadline, or whoever answered does not want us as we are: says what to do. */
export function connectError({ brokers, tls }: Reachable, cause: unknown): ConnectionError {
  const where = `Kafka at ${brokers.join(', ')}`
  const refusal = cause instanceof DriverError ? refusals[cause.kind]?.(cause, tls) : undefined
  const why = cause === undefined ? '' : ` (${textOf(cause)})`
  const advice = 'Check the addresses, and that the brokers run and accept connections.'
  return new ConnectionError({
    code: refusal?.code ?? 'POSTHORN_UNREACHABLE',
    message:
      refusal === undefined ? `${where} did not answer in time${why}. ${advice}` : `${where} ${refusal.message}.`,
    details: { addresses: brokers },
    cause,
  })
}

interface Refusal {
  readonly code: ErrorCode
  readonly message: string
}

const refusals: Readonly<Partial<Record<DriverError['kind'], (cause: DriverError, tls: Settings['tls']) => Refusal>>> =
  {
    tls: (error, tls) => ({
      code: 'POSTHORN_TLS',
      message: `cannot be reached with TLS: ${tlsProblemOf(error.cause, tls) ?? error.message}`,
    }),
    authentication: ({ message }) => ({
      code: 'POSTHORN_AUTHENTICATION',
      message: `refused the login (${message}). Correct the option sasl`,
    }),
    authorization: ({ message }) => ({
      code: 'POSTHORN_AUTHENTICATION',
      message: `does not allow it (${message}). Grant access with an ACL`,
    }),
    credentials: ({ message }) => ({
      code: 'POSTHORN_UNREACHABLE',
      message: `got no credentials from us (${message}). Repair what gives them`,
    }),
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

/** A topic exists, and messages would be lost with it. */
export function mismatchError(topic: string, differences: readonly Difference[]): TopologyError {
  return new TopologyError({
    code: 'POSTHORN_TOPOLOGY_MISMATCH',
    message:
      `The topic "${topic}" exists with other settings: ${describeDifferences(differences)}. Change them on the cluster ` +
      '(kafka-configs), or let it run empty and delete it, so that it is created again.',
    details: { topic, differences },
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

/** The offsets of a group do not exist any more, and it may not go on without them. */
export function lostOffsetsError(groupId: string, lost: readonly string[]): TopologyError {
  return new TopologyError({
    code: 'POSTHORN_OFFSETS_LOST',
    message:
      `Offsets of group ${groupId} do not exist any more: ${lost.join('; ')}. Messages were deleted before they were ` +
      "read, or the topic was made anew. Set the group's offsets with Kafka's tools, or lostOffsets to 'earliest'.",
    details: { groupId, lost },
  })
}
