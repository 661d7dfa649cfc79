import { ConnectionError, PublishError, targetName, TopologyError } from '@posthorn/core/adapter'
import type { Subscription, Target } from '@posthorn/core/adapter'

/** How the broker is called in errors and in health: it has no host. */
export const address = 'memory'

/** Why a call stopped waiting for the broker. */
export type GivingUp =
  { readonly reason: 'deadline' | 'closed' } | { readonly reason: 'aborted'; readonly cause: unknown }

/** The error of a send that never reached the broker. */
export function notSent(target: Target, why: GivingUp): PublishError {
  const to = targetName(target)
  const details = { target: to }
  const outcome = 'notSent'
  if (why.reason === 'aborted') {
    const message = `The send to ${to} was aborted before the broker had it.`
    return new PublishError({ code: 'POSTHORN_PUBLISH_ABORTED', outcome, message, details, cause: why.cause })
  }
  if (why.reason === 'closed') {
    const message = `The connection to the in-process broker is closed; nothing was sent to ${to}. Make a new transport.`
    return new PublishError({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome, message, details })
  }
  const message = `The in-process broker (${address}) could not be reached by the deadline; nothing was sent to ${to}. Call up() on the broker, or connect the transport, and send again.`
  return new PublishError({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome, message, details })
}

/** The error of a send that the broker refused: none of its queues has the message. */
export function refused(target: Target, full: string): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_REFUSED',
    outcome: 'notSent',
    message: `The queue ${full} is full; no queue took the message. Send it again when messages were completed, or raise maxMessages or maxBytes of the broker.`,
    details: { target: targetName(target), queue: full },
  })
}

/** The error of a body that is longer than `maxBodyBytes`. */
export function tooLarge(target: Target, bytes: { readonly length: number; readonly limit: number }): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_TOO_LARGE',
    outcome: 'notSent',
    message: `The body has ${bytes.length} bytes, more than the ${bytes.limit} that the in-process broker takes. Store the data elsewhere and send a reference.`,
    details: { target: targetName(target), bodyBytes: bytes.length, maxBodyBytes: bytes.limit },
  })
}

/** The error of all sends that a lost connection left without a confirmation. */
export function unconfirmed(): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_CONNECTION_LOST',
    outcome: 'unknown',
    message: 'The connection to the in-process broker broke before the confirmation. Publish again with the same id.',
  })
}

/** The error of a `connect` or `subscribe` that the broker did not answer. */
export function unreachable(why: GivingUp): ConnectionError {
  if (why.reason === 'closed') {
    const message = 'The transport was closed. Make a new one.'
    return new ConnectionError({ code: 'POSTHORN_CONNECTION_LOST', message, details: { addresses: [address] } })
  }
  return new ConnectionError({
    code: 'POSTHORN_UNREACHABLE',
    message:
      why.reason === 'aborted'
        ? `Waiting for the in-process broker (${address}) was aborted.`
        : `The in-process broker (${address}) could not be reached by the deadline. Call up() on the broker.`,
    details: { addresses: [address] },
    cause: why.reason === 'aborted' ? why.cause : undefined,
  })
}

/** The error of a subscription that asks for other settings than the group's queue has. */
export function mismatched(subscription: Subscription, mismatch: string): TopologyError {
  const { destination, group } = subscription
  return new TopologyError({
    code: 'POSTHORN_TOPOLOGY_MISMATCH',
    message: `The queue ${destination}.${group} exists with other settings: ${mismatch}. All services of one group must ask for the same order.`,
    details: { queue: `${destination}.${group}`, mismatch },
  })
}
