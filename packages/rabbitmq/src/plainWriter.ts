import type { ConfirmChannel as AmqpConfirmChannel } from 'amqplib'
import { contentOf, publishOptionsOf } from './messageMapping.js'
import type { PublishWriter, WriterListener } from './publishWriter.js'

/** Writes through amqplib's public methods alone: one write to the socket for each message. */
export function plainWriter(channel: AmqpConfirmChannel, listener: WriterListener): PublishWriter {
  let writtenCount = 0
  channel.on('drain', () => listener.drained())
  return {
    write(message, { exchange, routingKey }) {
      const tag = writtenCount + 1
      const onAnswer = (error: unknown): void => {
        if (error === null || error === undefined) listener.answered(tag, false)
        // The close event has the rest: amqplib calls back for each message before it.
        else if ((error as Error).message !== 'channel closed') listener.answered(tag, false, error as Error)
      }
      const hasRoom = channel.publish(exchange, routingKey, contentOf(message), publishOptionsOf(message), onAnswer)
      writtenCount = tag
      return hasRoom
    },
    flush: () => {},
    stop: () => {},
    get handedOverCount() {
      return writtenCount
    },
    // amqplib does not tell.
    get leftCount() {
      return writtenCount
    },
    wearsChannel: true,
  }
}
