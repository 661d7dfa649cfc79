import type { Logger } from '@posthorn/core/adapter'
import type { ChannelModel, ConfirmChannel as AmqpConfirmChannel } from 'amqplib'
import { isClosedError } from './errorMapping.js'
import { contentOf, publishOptionsOf } from './messageMapping.js'
import { returnedPublish } from './pendingPublish.js'
import type { PendingPublish } from './pendingPublish.js'

/** Told about a channel's life; must not throw. */
export interface ConfirmChannelListener {
  /** A publish got its answer. */
  settled(): void
  /** The buffer has room again. */
  drained(): void
  /**
   * The channel is gone, with what it still held in the order of writing. With an error when the broker closed this
   * channel alone, without one when the connection broke.
   */
  closed(inFlight: readonly PendingPublish[], error: Error | undefined): void
}

/** A channel on which every publish is confirmed, and knows whether it was routed. */
export interface ConfirmChannel {
  /** Written and without an answer from the broker, in order; also those whose callers gave up. */
  readonly inFlight: ReadonlySet<PendingPublish>
  readonly publishedCount: number
  readonly isClosed: boolean
  /**
   * Writes one message. Says `full` when the buffer wants a pause (the message is written), and `closed` when the channel
   * is about to end (the message is not written). A message that has no encoding fails alone.
   */
  write(pending: PendingPublish): 'written' | 'full' | 'closed'
  close(): Promise<void>
}

/** Opens one. Listeners are attached in the turn in which amqplib hands the channel over (`failure-modes` A8). */
export async function openConfirmChannel(
  model: ChannelModel,
  listener: ConfirmChannelListener,
  logger: Logger,
): Promise<ConfirmChannel> {
  return listenedTo(await model.createConfirmChannel(), listener, logger)
}

function listenedTo(channel: AmqpConfirmChannel, listener: ConfirmChannelListener, logger: Logger): ConfirmChannel {
  const inFlight = new Set<PendingPublish>()
  let publishedCount = 0
  let channelError: Error | undefined
  let isClosed = false

  channel.on('error', (error) => (channelError = error))
  channel.on('close', () => {
    isClosed = true
    const left = [...inFlight]
    inFlight.clear()
    listener.closed(left, channelError)
  })
  channel.on('drain', () => listener.drained())
  channel.on('handler-error', (error) => logger.error({ error }, 'a listener of the publishing channel threw'))
  channel.on('return', ({ fields, properties }) => {
    const { exchange, routingKey } = fields
    const pending = returnedPublish(inFlight, { exchange, routingKey, id: properties.messageId as unknown })
    if (pending === undefined) logger.warn({ exchange, routingKey }, 'the broker returned a message that nobody sent')
    else pending.returned = true
  })

  // The close event has the rest: amqplib calls back for each message before it.
  function onAnswer(pending: PendingPublish, error: unknown): void {
    if (error instanceof Error && error.message === 'channel closed') return
    inFlight.delete(pending)
    if (error === null || error === undefined) pending.confirm()
    else {
      // One of several queues may have refused and another one taken it, so it is not `notSent`.
      pending.fail({ code: 'POSTHORN_PUBLISH_REFUSED', what: 'was refused by the broker (nack)', cause: error })
    }
    listener.settled()
  }

  function write(pending: PendingPublish): 'written' | 'full' | 'closed' {
    const { message, address } = pending
    if (message === undefined) return 'written'
    pending.beginWrite()
    inFlight.add(pending)
    try {
      const content = contentOf(message)
      const hasRoom = channel.publish(
        address.exchange,
        address.routingKey,
        content,
        publishOptionsOf(message),
        (error: unknown) => onAnswer(pending, error),
      )
      publishedCount += 1
      return hasRoom ? 'written' : 'full'
    } catch (error) {
      // amqplib encodes before it writes, so a throw means that nothing went out.
      inFlight.delete(pending)
      pending.undoWrite()
      if (isClosedError(error)) return 'closed'
      pending.fail({ code: 'POSTHORN_PUBLISH_FAILED', what: 'has no form in AMQP', cause: error })
      return 'written'
    }
  }

  return {
    inFlight,
    get publishedCount() {
      return publishedCount
    },
    get isClosed() {
      return isClosed
    },
    write,
    close: () => channel.close(),
  }
}
