import { ConnectionError, CredentialsError, TopologyError } from '@posthorn/core/adapter'
import type { PosthornError } from '@posthorn/core/adapter'
import { describeDifferences } from './mismatch.js'
import type { Difference } from './mismatch.js'
import { tlsProblemOf } from './tlsProblem.js'

/** Why we do not get in, where trying again does not help. */
export type Refusal = 'credentials' | 'mechanism' | 'virtualHost' | 'tls'

/** Reply codes of AMQP 0-9-1 that we tell apart. */
export const replyCodes = {
  accessRefused: 403,
  notFound: 404,
  resourceLocked: 405,
  preconditionFailed: 406,
  notAllowed: 530,
} as const

/** The AMQP reply code of an error of amqplib; 0 where it has none. */
export function replyCodeOf(error: unknown): number {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' ? code : 0
}

/** What an error says, for people; errors of Node.js for several addresses have only a code. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.name
}

/** Whether amqplib threw since its channel or connection is closed; nothing was written then. */
export function isClosedError(error: unknown): boolean {
  return error instanceof Error && error.name === 'IllegalOperationError'
}

/** What a consumer held for too long means, and what helps. */
export const deliveryTimeoutAdvice: string =
  "a delivery stayed unsettled for longer than the broker's consumer timeout, and was taken back: settle sooner (a lower " +
  'handlerTimeoutMs or maxInFlight, a shorter ladder with holdKey), or raise consumer_timeout and consumerTimeoutMs together'

/** Why the broker closed the channel of a consumer, for people; brokers before 4.3 do so after a consumer timeout. */
export function consumerEndOf(error: unknown): string {
  const isTimeout =
    replyCodeOf(error) === replyCodes.preconditionFailed && /acknowledgement .*timed out/.test(textOf(error))
  return isTimeout ? `${deliveryTimeoutAdvice}. The broker says: ${textOf(error)}` : textOf(error)
}

/**
 * Whether we were refused during the handshake. amqplib 2.3 reports neither as a code: a refused login is text, and of a
 * refused `connection.open` it drops the reason.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (tlsProblemOf(error) !== undefined) return 'tls'
  const text = textOf(error)
  if (/^Handshake terminated by server: (403|530) /.test(text)) return 'credentials'
  if (text.startsWith('SASL mechanism ')) return 'mechanism'
  // Brokers before `authentication_failure_close` just hang up, which looks like an outage and stays one.
  if (text.startsWith('Expected ConnectionOpenOk; got <ConnectionClose ')) return 'virtualHost'
  // Let in, and shown out at once: a limit of the virtual host or of the user.
  const code = replyCodeOf(error)
  return code === replyCodes.notAllowed || code === replyCodes.accessRefused ? 'virtualHost' : undefined
}

/** Where we tried to connect. */
export interface Whereabouts {
  readonly addresses: readonly string[]
  readonly vhost: string
}

/** Trying again is useless: says what is wrong and what to do. */
export function refusedError(refusal: Refusal, where: Whereabouts, cause: unknown): ConnectionError {
  return new ConnectionError({
    code: refusal === 'tls' ? 'POSTHORN_TLS' : 'POSTHORN_AUTHENTICATION',
    message: `RabbitMQ at ${where.addresses.join(', ')} ${refusals[refusal](where, cause)}.`,
    details: { addresses: where.addresses, vhost: where.vhost },
    cause,
  })
}

const refusals: Readonly<Record<Refusal, (where: Whereabouts, cause: unknown) => string>> = {
  credentials: () =>
    'refused the user name, the password or the certificate. Correct the urls or what "credentials" gives',
  mechanism: (_where, cause) =>
    `does not take this kind of login (${textOf(cause)}). For certificates enable its plugin rabbitmq_auth_mechanism_ssl and EXTERNAL in auth_mechanisms, and use the TLS port`,
  virtualHost: ({ vhost }, cause) =>
    `refused the virtual host "${vhost}": it does not exist, is down or full, or the user has no access (${textOf(cause)}). Correct the name or grant access`,
  tls: (_where, cause) => `cannot be reached with TLS: ${tlsProblemOf(cause) ?? textOf(cause)}`,
}

/** Nobody answered by the deadline. */
export function unreachableError(where: Whereabouts, cause: unknown): ConnectionError {
  const why = cause === undefined ? '' : ` (${textOf(cause)})`
  const message =
    cause instanceof CredentialsError
      ? `There were no credentials for RabbitMQ at ${where.addresses.join(', ')}${why}. Repair what gives them.`
      : `No RabbitMQ answered in time at ${where.addresses.join(', ')}${why}. ` +
        'Check the addresses, and that the broker runs and accepts connections.'
  return new ConnectionError({
    code: 'POSTHORN_UNREACHABLE',
    message,
    details: { addresses: where.addresses },
    cause,
  })
}

/** A wait for the broker ended without an answer: its signal fired. */
export function abortedError(where: Whereabouts, signal: AbortSignal): ConnectionError {
  return new ConnectionError({
    code: 'POSTHORN_UNREACHABLE',
    message: `Waiting for RabbitMQ at ${where.addresses.join(', ')} was aborted by the caller's signal.`,
    details: { addresses: where.addresses },
    retryable: false,
    cause: signal.reason,
  })
}

/** A resource of the topology, as errors name it. */
export interface ResourceFacts {
  /** `queue "orders.billing"` */
  readonly resource: string
  /** With what it should exist. */
  readonly expected: unknown
  /** What the broker has instead, as far as it says so. */
  readonly differences?: readonly Difference[]
}

/** What RabbitMQ says (404) of a queue that exists, on a node that does not answer: it comes back with it. */
const downNode = /is down or inaccessible|due to timeout|process is stopped by supervisor/

// The broker frees what a dead connection held after two heartbeats.
const lockedHint = ' Another connection has it, perhaps a lost one of ours that the broker has not noticed yet.'

/** Says why a declaration failed: another shape, missing, not allowed, or a broker that is not well. */
export function topologyErrorOf(facts: ResourceFacts, error: unknown): PosthornError {
  const broker = textOf(error)
  const { resource } = facts
  const common = { details: { ...facts, broker }, cause: error }
  const code = replyCodeOf(error)
  if (code === replyCodes.preconditionFailed) {
    const { differences = [] } = facts
    const what =
      differences.length > 0
        ? describeDifferences(differences)
        : `expected ${JSON.stringify(facts.expected)}, and the broker says: ${broker}`
    const message =
      `The ${resource} exists with other settings: ${what}. Let it run empty and delete it, so that it is declared ` +
      'again; or map another one with the option topology; or, when it must stay as it is, map it with declare: false.'
    return new TopologyError({ code: 'POSTHORN_TOPOLOGY_MISMATCH', message, ...common })
  }
  if (code === replyCodes.notFound && !downNode.test(broker)) {
    const message = `The ${resource} does not exist. Create it, or use topology 'apply'. The broker says: ${broker}.`
    return new TopologyError({ code: 'POSTHORN_TOPOLOGY_MISSING', message, ...common })
  }
  if (code === replyCodes.accessRefused) {
    const message = `The user may not use the ${resource}. Grant the permission. The broker says: ${broker}.`
    return new ConnectionError({ code: 'POSTHORN_AUTHENTICATION', message, ...common })
  }
  const why = code === replyCodes.resourceLocked ? lockedHint : ''
  const message = `The ${resource} could not be prepared: ${broker}.${why} Posthorn tries again.`
  return new ConnectionError({ code: 'POSTHORN_CONNECTION_LOST', message, ...common })
}
