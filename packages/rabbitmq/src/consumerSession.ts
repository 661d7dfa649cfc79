import type { Delivery, Logger, Subscription, TransportContext } from '@posthorn/core/adapter'
import type { Channel, ConsumeMessage } from 'amqplib'
import { createCoalescedAcks } from './coalescedAcks.js'
import type { CoalescedAcks, TagWriter } from './coalescedAcks.js'
import type { LiveConnection } from './connection.js'
import { isClosedError, textOf } from './errorMapping.js'
import { createHandOver } from './handOver.js'
import type { HandOver } from './handOver.js'
import { deliveryOf } from './messageMapping.js'
import { settledBy } from './waiting.js'

/** What a session consumes, and whom it tells. */
export interface SessionParts {
  readonly subscription: Subscription
  readonly queue: string
  readonly context: TransportContext
  onDeliveries(deliveries: readonly Delivery[]): void
  /** It consumed and has ended: stopped and all settled, or cancelled by the broker, or without its channel. */
  onEnded(reason: string): void
}

/** AMQP has 16 bits for it. */
const maxPrefetch = 65_535

/**
 * One consumer on one channel: opening → consuming → (stopping) → ended. Everything that it delivered belongs to it:
 * once it has ended, settling a delivery does nothing, since a late ack would cost the next channel (`failure-modes`
 * B1).
 */
export class ConsumerSession {
  readonly #channel: Channel
  readonly #parts: SessionParts
  readonly #logger: Logger
  readonly #acks: CoalescedAcks
  readonly #handOver: HandOver
  #consumerTag: string | undefined
  #endReason = 'its channel was closed'
  #isCancelled = false
  #isEnded = false
  #closing: Promise<void> = Promise.resolve()

  private constructor(channel: Channel, parts: SessionParts) {
    this.#channel = channel
    this.#parts = parts
    this.#logger = parts.context.logger.child({ queue: parts.queue })
    this.#acks = createCoalescedAcks(tagWriter(channel, this.#logger))
    this.#handOver = createHandOver(parts.subscription.maxInFlightBytes, (batch) => parts.onDeliveries(batch))
    channel.on('error', (error) => (this.#endReason = textOf(error)))
    channel.on('close', () => this.#end(this.#endReason))
    // amqplib throws at consumers that it does not know; unheard, that would take the connection down.
    channel.on('handler-error', (error) => this.#end(`its listener threw: ${textOf(error)}`))
  }

  /** Channel, prefetch and consumer together, or nothing: a half-made session is closed before this rejects. */
  static async open(live: LiveConnection, parts: SessionParts): Promise<ConsumerSession> {
    const session = new ConsumerSession(await live.model.createChannel(), parts)
    try {
      await session.#consume()
      return session
    } catch (error) {
      session.#end('it did not begin')
      throw error
    }
  }

  /** No delivery is handed over after the call; the channel stays until the last one is settled. */
  async stop(deadline: number): Promise<void> {
    const held = this.#handOver.stop()
    if (this.#isEnded || this.#consumerTag === undefined) return
    // Releasing before the broker knows would bring the same messages back at once.
    await settledBy(this.#channel.cancel(this.#consumerTag), deadline, this.#parts.context.clock)
    this.#isCancelled = true
    for (const delivery of [...held, ...this.#handOver.stop()]) delivery.release()
    this.#endWhenSettled()
  }

  /** Writes what is settled and closes the channel; what is unsettled goes back to the queue. */
  async close(deadline: number): Promise<void> {
    if (!this.#isEnded) {
      this.#acks.flush()
      this.#end('its transport was closed')
    }
    // Before the connection's own close, which would overtake what the channel has buffered.
    await settledBy(this.#closing, deadline, this.#parts.context.clock)
  }

  async #consume(): Promise<void> {
    const { queue, subscription } = this.#parts
    // Before consuming, since it has no effect on a running consumer; per consumer, since 4.3 refuses it globally.
    await this.#channel.prefetch(Math.min(subscription.maxInFlight, maxPrefetch), false)
    const { consumerTag } = await this.#channel.consume(queue, (message) => this.#onMessage(message), { noAck: false })
    if (this.#isEnded) throw new Error(`The consumer of ${queue} ended as it began: ${this.#endReason}`)
    this.#consumerTag = consumerTag
  }

  // amqplib closes the channel or loses the delivery when this throws (`failure-modes` B5).
  #onMessage(message: ConsumeMessage | null): void {
    if (this.#isEnded) return
    try {
      if (message === null)
        this.#end('the broker cancelled it: its queue is gone or moved, or a delivery was held too long')
      else this.#take(message)
    } catch (error) {
      this.#logger.error({ error }, 'a delivery could not be read')
      this.#end(`a delivery could not be read: ${textOf(error)}`)
    }
  }

  #take(message: ConsumeMessage): void {
    const { deliveryTag } = message.fields
    const bytes = message.content.length
    let isSettled = false
    const settle = (how: 'complete' | 'release'): void => {
      if (isSettled) return
      isSettled = true
      this.#settle(deliveryTag, bytes, how)
    }
    this.#acks.delivered(deliveryTag)
    const delivery = deliveryOf(message, {
      address: this.#parts.queue,
      complete: () => settle('complete'),
      // Before 4.3 a release counts towards the broker's delivery limit; AMQP has no way to give back without.
      release: () => settle('release'),
    })
    this.#handOver.add(delivery, bytes)
  }

  #settle(deliveryTag: number, bytes: number, how: 'complete' | 'release'): void {
    if (this.#isEnded) return this.#logger.debug({ deliveryTag, how }, 'settled too late: it is delivered again')
    this.#acks[how](deliveryTag)
    this.#handOver.settled(bytes)
    if (this.#isCancelled) this.#endWhenSettled()
  }

  #endWhenSettled(): void {
    if (this.#isEnded || this.#acks.outstandingCount > 0) return
    this.#acks.flush()
    this.#end('it was stopped')
  }

  #end(reason: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#endReason = reason
    this.#acks.discard()
    this.#handOver.stop()
    // It may be closed already; if not, unsettled deliveries go back with it.
    this.#closing = this.#channel.close().catch(() => {})
    if (this.#consumerTag === undefined) return
    if (this.#isCancelled) void this.#closing.then(() => this.#parts.onEnded(reason))
    else this.#parts.onEnded(reason)
  }
}

function tagWriter(channel: Channel, logger: Logger): TagWriter {
  const guarded = (write: () => void): void => {
    try {
      write()
    } catch (error) {
      // The channel is closing; its event ends the session, and the broker delivers again.
      if (!isClosedError(error)) logger.error({ error }, 'a settlement could not be written')
    }
  }
  return {
    ack: (tag, multiple) => guarded(() => channel.ack(tagged(tag), multiple)),
    nack: (tag) => guarded(() => channel.nack(tagged(tag), false, true)),
  }
}

/** amqplib reads nothing but the tag of a message that it settles. */
function tagged(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
