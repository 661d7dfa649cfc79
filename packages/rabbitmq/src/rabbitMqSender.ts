import { PublishError, targetName } from '@posthorn/core/adapter'
import type { ErrorCode, Sender, SendOptions, Target, WireMessage } from '@posthorn/core/adapter'
import { headerBytesOf } from './messageMapping.js'
import { PendingPublish } from './pendingPublish.js'
import type { PublishQueue } from './publishQueue.js'

/** Longest body, in bytes: RabbitMQ 4 takes no more by default, and a longer one would cost the channel. */
export const maxBodyBytes: number = 16 * 1_024 * 1_024
/** amqplib encodes headers into 64 KiB; the rest is for its own fields. */
const maxHeaderBytes = 60 * 1_024

/** Sends through a queue of publishes, after refusing what can never arrive: that is `notSent` for certain. */
export function createRabbitMqSender(queue: PublishQueue, now: () => number): Sender {
  return {
    send(target, message, options) {
      const problem = problemOf(message) ?? stateProblemOf(queue, options, now)
      if (problem !== undefined) return Promise.reject(notSent(target, message, problem))
      return new Promise((resolve, reject) => {
        const pending = new PendingPublish(target, message, { resolve, reject })
        pending.watch(options, queue.deadlines, () => queue.remove(pending))
        queue.add(pending)
      })
    },
  }
}

interface Problem {
  readonly code: ErrorCode
  readonly what: string
  readonly cause?: unknown
}

function problemOf(message: WireMessage): Problem | undefined {
  const bytes = message.body?.byteLength ?? 0
  if (bytes > maxBodyBytes) {
    const what = `has a body of ${bytes} bytes; RabbitMQ takes ${maxBodyBytes}. Store the data elsewhere and send "dataref"`
    return { code: 'POSTHORN_PUBLISH_TOO_LARGE', what }
  }
  if (message.id === '') return { code: 'POSTHORN_PUBLISH_FAILED', what: 'has no id; one is needed to know its answer' }
  return headerProblemOf(message.headers)
}

function headerProblemOf(headers: Readonly<Record<string, unknown>>): Problem | undefined {
  let units = 0
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    // Infinity would close the channel, and a Date would become {}.
    if (typeof value !== 'string') {
      return { code: 'POSTHORN_PUBLISH_FAILED', what: `has a header "${name}" that is no string` }
    }
    units += name.length + value.length + 2
  }
  // A UTF-16 unit is at most three bytes of UTF-8: short headers need no counting of bytes.
  if (units * 3 <= maxHeaderBytes) return undefined
  const bytes = headerBytesOf(headers as Record<string, string>)
  if (bytes <= maxHeaderBytes) return undefined
  const what = `has headers of ${bytes} bytes; at most ${maxHeaderBytes} fit`
  return { code: 'POSTHORN_PUBLISH_TOO_LARGE', what }
}

function stateProblemOf(
  queue: PublishQueue,
  { deadline, signal }: SendOptions,
  now: () => number,
): Problem | undefined {
  if (queue.isClosed) return { code: 'POSTHORN_PUBLISH_CONNECTION_LOST', what: 'came after the transport was closed' }
  if (signal?.aborted === true) {
    return { code: 'POSTHORN_PUBLISH_ABORTED', what: 'was given up by the signal of its caller', cause: signal.reason }
  }
  return deadline <= now() ? { code: 'POSTHORN_PUBLISH_DEADLINE', what: 'came after its deadline' } : undefined
}

function notSent(target: Target, message: WireMessage, { code, what, cause }: Problem): PublishError {
  return new PublishError({
    code,
    message: `Message ${message.id} to ${targetName(target)} ${what}. It was not sent.`,
    outcome: 'notSent',
    details: { id: message.id, target: targetName(target) },
    cause,
  })
}
