import type { Logger } from '@posthorn/core/adapter'
import type { ChannelModel, ConfirmChannel as AmqpConfirmChannel, Message } from 'amqplib'
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
export class ConfirmChannel {
  readonly #channel: AmqpConfirmChannel
  readonly #listener: ConfirmChannelListener
  readonly #logger: Logger
  readonly #inFlight = new Set<PendingPublish>()
  #publishedCount = 0
  #error: Error | undefined
  #isClosed = false

  private constructor(channel: AmqpConfirmChannel, listener: ConfirmChannelListener, logger: Logger) {
    this.#channel = channel
    this.#listener = listener
    this.#logger = logger
    channel.on('error', (error) => (this.#error = error))
    channel.on('close', () => this.#onClose())
    channel.on('drain', () => listener.drained())
    channel.on('return', (message) => this.#onReturn(message))
    channel.on('handler-error', (err) => logger.error({ event: 'rabbitmq.channel', err }, 'A listener threw'))
  }

  /** Listeners are attached in the turn in which amqplib hands the channel over. */
  static async open(model: ChannelModel, listener: ConfirmChannelListener, logger: Logger): Promise<ConfirmChannel> {
    return new ConfirmChannel(await model.createConfirmChannel(), listener, logger)
  }

  /** Written and without an answer from the broker, in order; also those whose callers gave up. */
  get inFlight(): ReadonlySet<PendingPublish> {
    return this.#inFlight
  }

  get publishedCount(): number {
    return this.#publishedCount
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /**
   * Writes one message. Says `full` when the buffer wants a pause (the message is written), and `closed` when the channel
   * is about to end (the message is not written). A message that has no encoding fails alone.
   */
  write(pending: PendingPublish): 'written' | 'full' | 'closed' {
    const { message, address } = pending
    if (message === undefined) return 'written'
    const options = publishOptionsOf(message)
    pending.beginWrite()
    this.#inFlight.add(pending)
    try {
      const hasRoom = this.#channel.publish(
        address.exchange,
        address.routingKey,
        contentOf(message),
        options,
        (error: unknown) => this.#onAnswer(pending, error),
      )
      this.#publishedCount += 1
      return hasRoom ? 'written' : 'full'
    } catch (error) {
      // amqplib encodes before it writes, so a throw means that nothing went out.
      this.#inFlight.delete(pending)
      pending.undoWrite()
      if (isClosedError(error)) return 'closed'
      pending.fail({ code: 'POSTHORN_PUBLISH_FAILED', what: 'has no form in AMQP', cause: error })
      return 'written'
    }
  }

  close(): Promise<void> {
    return this.#channel.close()
  }

  // The close event has the rest: amqplib calls back for each message before it.
  #onAnswer(pending: PendingPublish, error: unknown): void {
    if (error instanceof Error && error.message === 'channel closed') return
    this.#inFlight.delete(pending)
    if (error === null || error === undefined) pending.confirm()
    else {
      // One of several queues may have refused and another one taken it, so it is not `notSent`.
      pending.fail({ code: 'POSTHORN_PUBLISH_REFUSED', what: 'was refused by the broker (nack)', cause: error })
    }
    this.#listener.settled()
  }

  #onReturn({ fields, properties }: Message): void {
    const { exchange, routingKey } = fields
    const pending = returnedPublish(this.#inFlight, { exchange, routingKey, id: properties.messageId as unknown })
    if (pending !== undefined) pending.returned = true
    else this.#logger.warn({ event: 'rabbitmq.return', exchange, routingKey }, 'A message came back that nobody sent')
  }

  #onClose(): void {
    this.#isClosed = true
    const left = [...this.#inFlight]
    this.#inFlight.clear()
    this.#listener.closed(left, this.#error)
  }
}
