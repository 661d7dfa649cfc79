import type { Logger } from '@posthorn/core/adapter'
import type { Channel, ConsumeMessage } from 'amqplib'
import { isClosedError } from './errorMapping.js'

/** What a channel does with delivery tags. Must not throw. */
export interface TagWriter {
  ack(tag: number, multiple: boolean): void
  /** Back into the queue. */
  nack(tag: number): void
  /** Hands over what was written since the last time. */
  flush(): void
}

/** What is used of a channel of amqplib 2 beyond its types. */
interface ChannelInsides {
  /** Its number. */
  readonly ch: number
  readonly connection: {
    readonly stream: NodeJS.WritableStream & { readonly destroyed: boolean; readonly writableEnded: boolean }
    /** Whether a heartbeat is due. */
    sentSinceLastCheck: boolean
  }
}

/** Class 60 with its methods ack (80) and nack (120), AMQP 0-9-1 and RabbitMQ's extension: a tag and an octet of flags. */
const methods = { ack: 80, nack: 120 } as const
const multipleFlag = 1
const requeueFlag = 2
const payloadBytes = 13
const frameBytes = payloadBytes + 8

/**
 * Writes all settlements of one flush to the socket at once; nothing when the channel does not look as those of amqplib 2
 * do. amqplib sends each through two streams and a turn of the event loop, which costs about 100 µs where it happens a
 * thousand times a second: too seldom for V8 to optimise it. Only whole frames are written here, as amqplib does too. Whoever
 * uses it stops in the channel's close event: to settle on a closed channel would cost the connection.
 */
export function directTagWriter(channel: Channel): TagWriter | undefined {
  const insides = insidesOf(channel)
  if (insides === undefined) return undefined
  const { ch, connection } = insides
  const { stream } = connection
  let frames: Buffer[] = []

  function add(method: number, tag: number, flags: number): void {
    const frame = Buffer.alloc(frameBytes)
    frame[0] = 1 // A method.
    frame.writeUInt16BE(ch, 1)
    frame.writeUInt32BE(payloadBytes, 3)
    frame[8] = 60
    frame[10] = method
    frame.writeUInt32BE(Math.floor(tag / 4_294_967_296), 11)
    frame.writeUInt32BE(tag % 4_294_967_296, 15)
    frame[19] = flags
    frame[20] = 0xce
    frames.push(frame)
  }

  return {
    ack: (tag, multiple) => add(methods.ack, tag, multiple ? multipleFlag : 0),
    nack: (tag) => add(methods.nack, tag, requeueFlag),
    flush() {
      const all = frames
      frames = []
      if (all.length === 0 || stream.destroyed || stream.writableEnded) return
      connection.sentSinceLastCheck = true
      stream.write(all.length === 1 ? all[0]! : Buffer.concat(all))
    },
  }
}

function insidesOf(channel: Channel): ChannelInsides | undefined {
  const { ch, connection } = channel as unknown as { ch?: unknown; connection?: Partial<ChannelInsides['connection']> }
  const stream = connection?.stream
  const isKnown =
    Number.isInteger(ch) &&
    typeof stream?.write === 'function' &&
    typeof stream.destroyed === 'boolean' &&
    typeof stream.writableEnded === 'boolean' &&
    typeof connection?.sentSinceLastCheck === 'boolean'
  return isKnown ? (channel as unknown as ChannelInsides) : undefined
}

/** Settles through amqplib's public methods alone: one write to the socket for each. */
export function plainTagWriter(channel: Channel, logger: Logger): TagWriter {
  const guarded = (write: () => void): void => {
    try {
      write()
    } catch (error) {
      // The channel is closing; its event ends the session, and the broker delivers again.
      if (!isClosedError(error)) logger.error({ event: 'rabbitmq.settle', err: error }, 'A settlement was not written')
    }
  }
  return {
    ack: (tag, multiple) => guarded(() => channel.ack(tagged(tag), multiple)),
    nack: (tag) => guarded(() => channel.nack(tagged(tag), false, true)),
    flush() {},
  }
}

/** amqplib reads nothing but the tag of a message that it settles. */
function tagged(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
