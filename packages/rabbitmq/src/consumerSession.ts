import type { Delivery, Logger, Subscription, TransportContext } from '@posthorn/core/adapter'
import type { Channel, ConsumeMessage } from 'amqplib'
import { createCoalescedAcks } from './coalescedAcks.js'
import type { CoalescedAcks, TagWriter } from './coalescedAcks.js'
import type { LiveConnection } from './connection.js'
import { isClosedError, textOf, topologyErrorOf } from './errorMapping.js'
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
 * Between the last acks and the close of their channel: a quorum queue drops settlements that its channel still holds
 * back when that closes (rabbitmq-server#10327), and what was handled comes again. Without it 14 of 40 stops did so,
 * with 10 ms none.
 */
const lingerMs = 50

/**
 * One consumer on one channel: opening → consuming → (stopping) → ended. Everything that it delivered belongs to it:
 * once it has ended, settling a delivery does nothing, since a late ack would cost the next channel.
 */
export class ConsumerSession {
  readonly #channel: Channel
  readonly #parts: SessionParts
  readonly #logger: Logger
  readonly #acks: CoalescedAcks
  readonly #handOver: HandOver
  #consumerTag: string | undefined
  #endReason = 'its channel was closed'
  #isStopped = false
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
      throw topologyErrorOf({ resource: `queue "${parts.queue}"`, expected: 'a queue to consume from' }, error)
    }
  }

  /** No delivery is handed over after the call; the channel stays until those that were are settled. */
  async stop(deadline: number): Promise<void> {
    const held = this.#handOver.stop()
    if (this.#isEnded || this.#consumerTag === undefined) return
    if (!this.#parts.subscription.ordered) {
      // Releasing before the broker knows would bring the same messages back at once.
      await settledBy(this.#channel.cancel(this.#consumerTag), deadline, this.#parts.context.clock)
      for (const delivery of [...held, ...this.#handOver.stop()]) delivery.release()
    }
    this.#isStopped = true
    this.#endWhenSettled()
  }

  /** Writes what is settled and closes the channel; what is unsettled goes back to the queue. */
  async close(deadline: number): Promise<void> {
    if (!this.#isEnded) {
      this.#acks.flush()
      this.#end('its transport was closed', lingerMs)
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

  // amqplib closes the channel or loses the delivery when this throws.
  #onMessage(message: ConsumeMessage | null): void {
    if (this.#isEnded) return
    try {
      if (message !== null) this.#take(message)
      else this.#end('the broker cancelled it: its queue is gone or moved, or a delivery was held too long')
    } catch (error) {
      this.#logger.error({ event: 'rabbitmq.consume', err: error }, 'A delivery could not be read')
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
    if (this.#isEnded) return this.#logger.debug({ event: 'rabbitmq.stale', how }, 'Settled too late: it comes again')
    if (how === 'complete' || !this.#givesBackByClosing) this.#acks[how](deliveryTag)
    this.#handOver.settled(bytes)
    if (this.#isStopped) this.#endWhenSettled()
  }

  /**
   * An ordered consumer that stops says nothing of what it gives back, and closes its channel instead: the queue takes it
   * back in order and only then turns to the next consumer. After a cancel it would turn first, and deliver later
   * messages before those (tried on 3.10, 4.0 and 4.3). The price: a delivery given back so counts as a crash.
   */
  get #givesBackByClosing(): boolean {
    return this.#isStopped && this.#parts.subscription.ordered
  }

  #endWhenSettled(): void {
    const left = this.#givesBackByClosing ? this.#handOver.unsettledCount : this.#acks.outstandingCount
    if (this.#isEnded || left > 0) return
    this.#acks.flush()
    this.#end('it was stopped', lingerMs)
  }

  #end(reason: string, closeAfterMs = 0): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#endReason = reason
    this.#acks.discard()
    this.#handOver.stop()
    // It may be closed already; if not, unsettled deliveries go back with it.
    const close = (): Promise<void> => this.#channel.close().catch(() => {})
    this.#closing = closeAfterMs === 0 ? close() : rest(closeAfterMs).then(close)
    if (this.#consumerTag === undefined) return
    if (this.#isStopped) void this.#closing.then(() => this.#parts.onEnded(reason))
    else this.#parts.onEnded(reason)
  }
}

function rest(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}

function tagWriter(channel: Channel, logger: Logger): TagWriter {
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
  }
}

/** amqplib reads nothing but the tag of a message that it settles. */
function tagged(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
