import type { Logger } from '@posthorn/core/adapter'
import type { ChannelModel, ConfirmChannel as AmqpConfirmChannel, Message } from 'amqplib'
import { coalescedWriter } from './coalescedWriter.js'
import type { Counts } from './counts.js'
import { isClosedError } from './errorMapping.js'
import { returnedPublish } from './pendingPublish.js'
import type { PendingPublish } from './pendingPublish.js'
import { plainWriter } from './plainWriter.js'
import type { PublishWriter, WriterListener } from './publishWriter.js'
import { TagWindow } from './tagWindow.js'

/** Told about a channel's life; must not throw. */
export interface ConfirmChannelListener {
  /** The broker refused one of them. */
  refused(): void
  /** Some publishes got their answers. */
  settled(): void
  /** The buffer has room again. */
  drained(): void
  /** Bytes have left the process, and the broker could not have answered anything before. */
  progressed(): void
  /** The channel is gone. */
  closed(left: LeftBehind): void
}

/** What a channel still held when it ended, in the order of writing. */
export interface LeftBehind {
  /** The broker may have them. */
  readonly inFlight: readonly PendingPublish[]
  /** Not one byte of them was handed to the socket. */
  readonly unsent: readonly PendingPublish[]
  /** Why the broker closed this channel alone; absent when the connection broke. */
  readonly error: Error | undefined
}

/** What a channel works with. */
export interface ConfirmChannelParts {
  readonly listener: ConfirmChannelListener
  readonly logger: Logger
  readonly counts: Counts
  /** Whether publishes are written past amqplib's buffers, where it looks as it is known to. */
  readonly fastPath: boolean
}

/** A channel on which every publish is confirmed, and knows whether it was routed. */
export class ConfirmChannel {
  readonly #channel: AmqpConfirmChannel
  readonly #parts: ConfirmChannelParts
  readonly #writer: PublishWriter
  readonly #window = new TagWindow<PendingPublish>()
  #publishedCount = 0
  #error: Error | undefined
  #isClosed = false

  private constructor(channel: AmqpConfirmChannel, parts: ConfirmChannelParts) {
    this.#channel = channel
    this.#parts = parts
    this.#writer = writerOf(channel, parts, {
      answered: (tag, multiple, refusal) => this.#onAnswer(tag, multiple, refusal),
      drained: () => parts.listener.drained(),
      progressed: () => {
        if (!this.#hasOldestLeft()) parts.listener.progressed()
      },
    })
    channel.on('error', (error) => (this.#error = error))
    channel.on('close', () => this.#onClose())
    channel.on('return', (message) => this.#onReturn(message))
    channel.on('handler-error', (err) => parts.logger.error({ event: 'rabbitmq.listener', err }, 'A listener threw'))
  }

  /** Listeners are attached in the turn in which amqplib hands the channel over. */
  static async open(model: ChannelModel, parts: ConfirmChannelParts): Promise<ConfirmChannel> {
    return new ConfirmChannel(await model.createConfirmChannel(), parts)
  }

  /** Without an answer from the broker, in the order of writing; also those whose callers gave up. */
  get inFlight(): Iterable<PendingPublish> & { readonly size: number } {
    return this.#window
  }

  /** The body of the publish whose answer is due next, when all of it has left the process; 0 otherwise. */
  get owedBytes(): number {
    if (!this.#hasOldestLeft()) return 0
    for (const { bytes } of this.#window) return bytes
    return 0
  }

  /** Publishes that wear the channel out, so far. */
  get wearCount(): number {
    return this.#writer.wearsChannel ? this.#publishedCount : 0
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /**
   * Takes one message for the wire. Says `full` when the buffer wants a pause (the message is taken), and `closed` when
   * the channel is about to end (the message is not taken). A message that has no encoding fails alone.
   */
  write(pending: PendingPublish): 'written' | 'full' | 'closed' {
    const { message, address } = pending
    if (message === undefined) return 'written'
    if (this.#isClosed) return 'closed'
    pending.beginWrite()
    // Before the bytes, so that no answer can be earlier than its publish.
    this.#window.push(pending)
    try {
      const hasRoom = this.#writer.write(message, address)
      this.#publishedCount += 1
      return hasRoom ? 'written' : 'full'
    } catch (error) {
      // Both writers encode before they write, so a throw means that nothing went out.
      this.#window.pop()
      pending.undoWrite()
      if (isClosedError(error)) return 'closed'
      pending.fail({ code: 'POSTHORN_PUBLISH_FAILED', what: 'has no form in AMQP', cause: error })
      return 'written'
    }
  }

  async close(): Promise<void> {
    this.#writer.flush()
    this.#writer.stop()
    await this.#channel.close()
  }

  #hasOldestLeft(): boolean {
    const { oldest } = this.#window
    return oldest === undefined || oldest <= this.#writer.leftCount
  }

  #onAnswer(tag: number, multiple: boolean, refusal: Error | undefined): void {
    if (multiple) for (const pending of this.#window.takeUpTo(tag)) this.#settle(pending, refusal)
    else {
      const pending = this.#window.take(tag)
      if (pending !== undefined) this.#settle(pending, refusal)
    }
    this.#parts.listener.settled()
  }

  #settle(pending: PendingPublish, refusal: Error | undefined): void {
    const { counts } = this.#parts
    if (refusal === undefined) {
      counts.confirmed += 1
      pending.confirm()
    } else {
      counts.refused += 1
      this.#parts.listener.refused()
      // One of several queues may have refused and another one taken it, so it is not `notSent`.
      pending.fail({ code: 'POSTHORN_PUBLISH_REFUSED', what: 'was refused by the broker (nack)', cause: refusal })
    }
  }

  #onReturn({ fields, properties }: Message): void {
    const { exchange, routingKey } = fields
    const { counts, logger } = this.#parts
    const pending = returnedPublish(this.#window, { exchange, routingKey, id: properties.messageId as unknown })
    counts.returned += 1
    if (pending !== undefined) pending.returned = true
    else logger.warn({ event: 'rabbitmq.return', exchange, routingKey }, 'A message came back that nobody sent')
  }

  #onClose(): void {
    this.#isClosed = true
    this.#writer.stop()
    const left = this.#window.clear()
    const unsentCount = this.#publishedCount - this.#writer.handedOverCount
    const unsent = left.slice(left.length - unsentCount)
    for (const pending of unsent) pending.undoWrite()
    this.#parts.listener.closed({ inFlight: left.slice(0, left.length - unsentCount), unsent, error: this.#error })
  }
}

function writerOf(
  channel: AmqpConfirmChannel,
  { fastPath, logger }: ConfirmChannelParts,
  listener: WriterListener,
): PublishWriter {
  if (!fastPath) return plainWriter(channel, listener)
  const coalesced = coalescedWriter(channel, listener)
  if (coalesced !== undefined) return coalesced
  const facts = { event: 'rabbitmq.plainWrites' }
  logger.warn(facts, 'This amqplib looks other than the known ones: publishing through its slower public path')
  return plainWriter(channel, listener)
}
