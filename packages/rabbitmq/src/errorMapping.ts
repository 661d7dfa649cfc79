import { ConnectionError, TopologyError } from '@posthorn/core/adapter'
import type { PosthornError } from '@posthorn/core/adapter'

/** What the broker thinks of us when it does not let us in. */
export type Refusal = 'credentials' | 'virtualHost'

/** Reply codes of AMQP 0-9-1 that we tell apart. */
export const replyCodes = {
  accessRefused: 403,
  notFound: 404,
  preconditionFailed: 406,
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

/**
 * Whether the broker refused us during the handshake. amqplib 2.3 reports neither as a code: a refused login is text,
 * and of a refused `connection.open` it drops the reason.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  const text = textOf(error)
  if (/^Handshake terminated by server: (403|530) /.test(text)) return 'credentials'
  // Brokers before `authentication_failure_close` just hang up, which looks like an outage and stays one.
  if (text.startsWith('Expected ConnectionOpenOk; got <ConnectionClose ')) return 'virtualHost'
  return undefined
}

/** Where we tried to connect. */
export interface Whereabouts {
  readonly addresses: readonly string[]
  readonly vhost: string
}

/** The broker let us know that trying again is useless. */
export function refusedError(refusal: Refusal, where: Whereabouts, cause: unknown): ConnectionError {
  const what =
    refusal === 'credentials'
      ? 'refused the user name or the password. Correct them in the urls'
      : `refused the virtual host "${where.vhost}": it does not exist, is down, or the user has no access. Correct the name or grant access`
  return new ConnectionError({
    code: 'POSTHORN_AUTHENTICATION',
    message: `RabbitMQ at ${where.addresses.join(', ')} ${what}.`,
    details: { addresses: where.addresses, vhost: where.vhost },
    cause,
  })
}

/** Nobody answered by the deadline. */
export function unreachableError(where: Whereabouts, cause: unknown): ConnectionError {
  const why = cause === undefined ? '' : ` (${textOf(cause)})`
  return new ConnectionError({
    code: 'POSTHORN_UNREACHABLE',
    message:
      `No RabbitMQ answered in time at ${where.addresses.join(', ')}${why}. ` +
      'Check the addresses, and that the broker runs and accepts connections.',
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
}

/** Says why a declaration failed: another shape, missing, not allowed, or a broker that is not well. */
export function topologyErrorOf(facts: ResourceFacts, error: unknown): PosthornError {
  const broker = textOf(error)
  const { resource } = facts
  const common = { details: { ...facts, broker }, cause: error }
  const code = replyCodeOf(error)
  if (code === replyCodes.preconditionFailed) {
    const message =
      `The ${resource} exists with other settings. Expected ${JSON.stringify(facts.expected)}; the broker says: ` +
      `${broker}. Delete it once it is empty, or name another destination or group.`
    return new TopologyError({ code: 'POSTHORN_TOPOLOGY_MISMATCH', message, ...common })
  }
  if (code === replyCodes.notFound) {
    const message = `The ${resource} does not exist. Create it, or use topology 'apply'. The broker says: ${broker}.`
    return new TopologyError({ code: 'POSTHORN_TOPOLOGY_MISSING', message, ...common })
  }
  if (code === replyCodes.accessRefused) {
    const message = `The user may not use the ${resource}. Grant the permission. The broker says: ${broker}.`
    return new ConnectionError({ code: 'POSTHORN_AUTHENTICATION', message, ...common })
  }
  const message = `The ${resource} could not be prepared: ${broker}. Posthorn tries again.`
  return new ConnectionError({ code: 'POSTHORN_CONNECTION_LOST', message, ...common })
}
