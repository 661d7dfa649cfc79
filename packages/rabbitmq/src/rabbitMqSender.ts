import { PublishError, targetName } from '@posthorn/core/adapter'
import type { ErrorCode, Receipt, Sender, SendOptions, Target, WireMessage } from '@posthorn/core/adapter'
import { headerBytesOf } from './messageMapping.js'
import { PendingPublish } from './pendingPublish.js'
import type { Caller } from './pendingPublish.js'
import type { PublishQueue } from './publishQueue.js'
import type { TargetAddress, TopologyMap } from './topologyMap.js'

/**
 * Longest body that is published, in bytes: RabbitMQ 4 takes no more by default, and a longer one would cost the channel.
 * A copy of what this broker has delivered may be longer: it was set up to take that.
 */
export const maxBodyBytes: number = 16 * 1_024 * 1_024
/** amqplib encodes headers into 64 KiB; the rest is for its own fields. */
const maxHeaderBytes = 60 * 1_024
/** Of that, what a publisher leaves for the headers of retries and dead letters; half of it where frames are small. */
const roomForCopiesBytes = 12 * 1_024

/**
 * What else a header frame holds at most: the frame (8) and its fixed fields (14), the delivery mode, and content type, id
 * and type of up to 255 bytes each (AMQP 0-9-1, 4.2.6). A longer frame would cost the connection (501).
 */
const maxPropertyBytes = 8 + 14 + 1 + 3 * 256

/** What writing a message takes. */
export interface WriterParts {
  readonly queue: PublishQueue
  readonly now: () => number
  /** Longest frame that the broker takes; properties and headers have one frame and cannot be split. */
  readonly frameMaxBytes: () => number
}

/** What a sender works with. */
export interface SenderParts extends WriterParts {
  readonly map: TopologyMap
  /** Keeps an event that no queue took, by the deadline; never rejects. Undefined: such events are only reported. */
  readonly keep?: (unrouted: UnroutedEvent) => Promise<void>
}

/** An event that the broker returned. */
export interface UnroutedEvent {
  readonly destination: string
  readonly message: WireMessage
  readonly options: SendOptions
}

/** Sends through a queue of publishes, after refusing what can never arrive: that is `notSent` for certain. */
export function createRabbitMqSender(parts: SenderParts): Sender {
  const { map, keep } = parts
  return {
    send(target, message, options) {
      let address: TargetAddress
      try {
        address = map.addressOf(target, message.type)
      } catch (cause) {
        const problem = { code: 'POSTHORN_PUBLISH_FAILED', what: 'has no routing key', cause } as const
        return Promise.reject(notSent(target, message, problem))
      }
      if (keep === undefined || !('destination' in target) || options.mustRoute === true) {
        return write(parts, { address, message, options })
      }
      const { destination } = target
      return write(parts, { address, message, options }, (caller) => ({
        reject: (error) => caller.reject(error),
        resolve(receipt) {
          // Also where it cannot be told: twice is better than not at all.
          if (receipt.routed === true) return caller.resolve(receipt)
          void keep({ destination, message, options }).then(() => caller.resolve(receipt))
        },
      }))
    },
  }
}

/** A message with its address, and until when it may take. */
export interface Writing {
  readonly address: TargetAddress
  readonly message: WireMessage
  readonly options: SendOptions
}

/** Resolves when the broker has confirmed it, routed or not. */
export function write(
  { queue, now, frameMaxBytes }: WriterParts,
  { address, message, options }: Writing,
  around: (caller: Caller) => Caller = (caller) => caller,
): Promise<Receipt> {
  const problem = problemOf(message, address.target, frameMaxBytes()) ?? stateProblemOf(queue, options, now)
  if (problem !== undefined) return Promise.reject(notSent(address.target, message, problem))
  return new Promise((resolve, reject) => {
    const pending = new PendingPublish(address, message, around({ resolve, reject }))
    pending.watch(options, queue.deadlines, queue.remove)
    queue.add(pending)
  })
}

interface Problem {
  readonly code: ErrorCode
  readonly what: string
  readonly cause?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

function problemOf(message: WireMessage, target: Target, frameMaxBytes: number): Problem | undefined {
  const isCopy = !('destination' in target)
  const bytes = message.body?.byteLength ?? 0
  if (bytes > maxBodyBytes && !isCopy) {
    const what = `has a body of ${bytes} bytes; RabbitMQ takes ${maxBodyBytes}. Store the data elsewhere and send "dataref"`
    return { code: 'POSTHORN_PUBLISH_TOO_LARGE', what }
  }
  if (message.id === '') return { code: 'POSTHORN_PUBLISH_FAILED', what: 'has no id; one is needed to know its answer' }
  const most = Math.min(maxHeaderBytes, frameMaxBytes - maxPropertyBytes)
  return headerProblemOf(message.headers, isCopy ? most : most - Math.min(roomForCopiesBytes, most >> 1))
}

function headerProblemOf(headers: Readonly<Record<string, unknown>>, maxBytes: number): Problem | undefined {
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
  if (units * 3 <= maxBytes) return undefined
  const bytes = headerBytesOf(headers as Record<string, string>)
  if (bytes <= maxBytes) return undefined
  const what = `has headers of ${bytes} bytes; at most ${maxBytes} fit`
  return { code: 'POSTHORN_PUBLISH_TOO_LARGE', what, details: { headerBytes: bytes, maxHeaderBytes: maxBytes } }
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

function notSent(target: Target, message: WireMessage, { code, what, cause, details }: Problem): PublishError {
  return new PublishError({
    code,
    message: `Message ${message.id} to ${targetName(target)} ${what}. It was not sent.`,
    outcome: 'notSent',
    details: { id: message.id, target: targetName(target), ...details },
    cause,
  })
}
