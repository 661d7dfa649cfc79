import type { Delivery, Logger, Subscription, TimerHandle, TransportContext } from '@posthorn/core/adapter'
import type { Channel, Options } from 'amqplib'
import { longestTurnMs } from './caution.js'
import type { Caution } from './caution.js'
import { createCoalescedAcks } from './coalescedAcks.js'
import type { CoalescedAcks } from './coalescedAcks.js'
import type { LiveConnection } from './connection.js'
import type { Counts } from './counts.js'
import { incomingOf, readDeliveries } from './deliveryReader.js'
import type { IncomingMessage } from './deliveryReader.js'
import { consumerEndOf, deliveryTimeoutAdvice, textOf, topologyErrorOf } from './errorMapping.js'
import { createHandOver } from './handOver.js'
import type { HandOver } from './handOver.js'
import { ReceivedDelivery, redeliveriesOf } from './messageMapping.js'
import type { Settler } from './messageMapping.js'
import { directTagWriter, plainTagWriter } from './tagWriter.js'
import { lingerMs, rest, settledBy } from './waiting.js'
import type { ConsumerProgress } from './watchdog.js'

/** What a session consumes, and whom it tells. */
export interface SessionParts {
  readonly subscription: Subscription
  readonly queue: string
  /** Priority and arguments of the consumer. */
  readonly consume: Options.Consume
  readonly context: TransportContext
  readonly counts: Counts
  readonly caution: Caution
  /** Whether deliveries are read past amqplib's state machine, where it looks as it is known to. */
  readonly fastPath: boolean
  onDeliveries(deliveries: readonly Delivery[]): void
  /**
   * It consumed and has ended: stopped and all settled, or cancelled by the broker, or without its channel; `planned`
   * when it only makes room for one with another prefetch.
   */
  onEnded(reason: string, planned: boolean): void
}

/** Acks for at most this part of the prefetch wait for others: the broker keeps sending meanwhile. */
const heldShare = 4

/**
 * One consumer on one channel: opening → consuming → (stopping) → ended. Everything that it delivered belongs to it:
 * once it has ended, its deliveries are told, and settling one does nothing, since a late ack would cost the next channel.
 */
export class ConsumerSession {
  readonly #channel: Channel
  readonly #version: string
  readonly #parts: SessionParts
  readonly #logger: Logger
  readonly #acks: CoalescedAcks
  readonly #handOver: HandOver
  readonly #lost = new AbortController()
  readonly #settler: Settler = { lost: this.#lost.signal, settle: (delivery, how) => this.#settle(delivery, how) }
  #consumerTag: string | undefined
  #prefetch: number
  #isWatching: boolean
  #lastTag = 0
  #widening: Promise<void> = Promise.resolve()
  #turn: TimerHandle | undefined
  #isReopening = false
  #endReason = 'its channel was closed'
  #isStopped = false
  #isEnded = false
  #closing: Promise<void> = Promise.resolve()
  readonly #stopReading: (() => void) | undefined

  private constructor(live: LiveConnection, channel: Channel, parts: SessionParts) {
    this.#channel = channel
    this.#version = live.model.connection.serverProperties.version
    this.#parts = parts
    this.#logger = parts.context.logger
    const { maxInFlight, maxInFlightBytes } = parts.subscription
    const direct = parts.fastPath ? directTagWriter(channel) : undefined
    const writer = direct ?? plainTagWriter(channel, this.#logger)
    this.#acks = createCoalescedAcks(writer, Math.floor(maxInFlight / heldShare))
    const bounds = { maxCount: maxInFlight, maxBytes: maxInFlightBytes }
    this.#handOver = createHandOver(bounds, (batch) => parts.onDeliveries(batch))
    this.#prefetch = parts.caution.prefetch()
    this.#isWatching = parts.caution.isWatching
    channel.on('error', (error) => (this.#endReason = consumerEndOf(error)))
    if (parts.fastPath) this.#stopReading = readDeliveries(channel, (message) => this.#onMessage(message))
    channel.on('close', () => this.#end(this.#endReason))
    // amqplib throws at consumers that it does not know; unheard, that would take the connection down.
    channel.on('handler-error', (error) => this.#end(`its listener threw: ${textOf(error)}`))
  }

  /** Channel, prefetch and consumer together, or nothing: a half-made session is closed before this rejects. */
  static async open(live: LiveConnection, parts: SessionParts): Promise<ConsumerSession> {
    const session = new ConsumerSession(live, await live.model.createChannel(), parts)
    try {
      await session.#consume()
      return session
    } catch (error) {
      session.#end('it did not begin')
      throw topologyErrorOf({ resource: `queue "${parts.queue}"`, expected: 'a queue to consume from' }, error)
    }
  }

  /** For a watchdog. */
  get progress(): ConsumerProgress {
    return { position: this.#lastTag, hasRoom: this.#acks.outstandingCount < this.#prefetch }
  }

  /** Ends it, for the next one to begin; what is unsettled comes again. */
  abandon(reason: string): void {
    this.#end(reason)
  }

  /** No delivery is handed over after the call; the channel stays until those that were are settled. */
  async stop(deadline: number): Promise<void> {
    const held = this.#handOver.stop()
    this.#turn?.cancel()
    this.#isWatching = false
    if (this.#isEnded || this.#consumerTag === undefined) return
    if (!this.#parts.subscription.ordered) {
      await settledBy(this.#widening, deadline, this.#parts.context.clock)
      if (this.#isEnded) return
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
      this.#end('its transport was closed', { closeAfterMs: lingerMs })
    }
    // Before the connection's own close, which would overtake what the channel has buffered.
    await settledBy(this.#closing, deadline, this.#parts.context.clock)
  }

  async #consume(): Promise<void> {
    const { queue, consume } = this.#parts
    // Before consuming, since it has no effect on a running consumer; per consumer, since 4.3 refuses it globally.
    await this.#channel.prefetch(this.#prefetch, false)
    const options = { ...consume, noAck: false }
    const { consumerTag } = await this.#channel.consume(
      queue,
      (message) => this.#onMessage(message === null ? null : incomingOf(message)),
      options,
    )
    if (this.#isEnded) throw new Error(`The consumer of ${queue} ended as it began: ${this.#endReason}`)
    this.#consumerTag = consumerTag
  }

  /**
   * A second consumer takes over from the first, since its prefetch is fixed. Acks wait for that: with one the first
   * would be given another message, which the queue takes back at the cancel and delivers before all others from then
   * on. As a message of no crash it stood before those that a dead process held, and told the next one that all was
   * well: every innocent of the batch was blamed for the second crash, too.
   */
  #widen(ready?: Promise<unknown>): void {
    this.#acks.pause()
    this.#widening = this.#changeConsumers(ready).then(
      () => this.#acks.resume(),
      (error: unknown) => this.#end(`it could not ask for more at once: ${textOf(error)}`),
    )
  }

  async #changeConsumers(ready?: Promise<unknown>): Promise<void> {
    await ready
    const narrow = this.#consumerTag
    if (this.#isEnded || narrow === undefined) return
    this.#prefetch = this.#parts.caution.prefetch()
    await this.#consume()
    await this.#channel.cancel(narrow)
  }

  /** Whether a delivery may be taken while a crash loop is possible. */
  #admits(message: IncomingMessage): boolean {
    if (this.#isReopening) return false
    const { caution } = this.#parts
    const verdict = caution.judge(redeliveriesOf(message.headers), this.#version)
    this.#isWatching = caution.isWatching || verdict === 'reopen'
    this.#turn?.cancel()
    if (verdict === 'take') {
      if (!this.#parts.subscription.ordered) this.#limitTurn(message.deliveryTag)
      return true
    }
    // The answer to `consume` may stand in the same read of the socket: this waits until it was noted.
    const answered = new Promise((resolve) => setImmediate(resolve))
    if (verdict === 'widen') this.#widen(answered)
    else {
      this.#isReopening = true
      void answered.then(() => this.#end('it holds another number of messages from now on', { planned: true }))
    }
    return verdict === 'widen'
  }

  #limitTurn(deliveryTag: number): void {
    const { caution, context } = this.#parts
    this.#turn = context.clock.schedule(
      longestTurnMs,
      () => {
        if (this.#isEnded || this.#isStopped || deliveryTag !== this.#lastTag) return
        caution.giveUp()
        this.#isWatching = false
        this.#widen()
      },
      { background: true },
    )
  }

  // amqplib closes the channel or loses the delivery when this throws.
  #onMessage(message: IncomingMessage | null): void {
    if (this.#isEnded) return
    try {
      if (message !== null) return this.#take(message)
      this.#parts.counts.cancelled += 1
      this.#end(cancelled(this.#acks.outstandingCount))
    } catch (error) {
      this.#logger.error({ event: 'rabbitmq.consume', err: error }, 'A delivery could not be read')
      this.#end(`a delivery could not be read: ${textOf(error)}`)
    }
  }

  #take(message: IncomingMessage): void {
    if (this.#isWatching && !this.#admits(message)) return
    this.#lastTag = message.deliveryTag
    this.#acks.delivered(message.deliveryTag)
    this.#handOver.add(new ReceivedDelivery(message, this.#parts.queue, this.#settler))
  }

  #settle({ deliveryTag, bytes }: ReceivedDelivery, how: 'complete' | 'release'): void {
    if (this.#isEnded) {
      this.#parts.counts.staleSettlements += 1
      return this.#logger.debug({ event: 'rabbitmq.stale', how }, 'Settled too late: it comes again')
    }
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
    this.#end('it was stopped', { closeAfterMs: lingerMs })
  }

  #end(reason: string, how: { readonly closeAfterMs?: number; readonly planned?: boolean } = {}): void {
    const { closeAfterMs = 0, planned = false } = how
    if (this.#isEnded) return
    this.#isEnded = true
    this.#endReason = reason
    this.#turn?.cancel()
    this.#stopReading?.()
    this.#acks.discard()
    this.#handOver.stop()
    // It may be closed already; if not, unsettled deliveries go back with it.
    const close = (): Promise<void> => this.#channel.close().catch(() => {})
    this.#closing = closeAfterMs === 0 ? close() : rest(closeAfterMs).then(close)
    // After a stop all were settled before; without one the queue delivers what was not to the next consumer.
    this.#lost.abort()
    if (this.#consumerTag === undefined) return
    if (this.#isStopped) void this.#closing.then(() => this.#parts.onEnded(reason, planned))
    else this.#parts.onEnded(reason, planned)
  }
}

function cancelled(unsettledCount: number): string {
  const gone = 'the broker cancelled it: its queue is gone or moved'
  // 4.3 says no more than that; without a delivery it cannot have been one.
  return unsettledCount === 0 ? gone : `${gone}, or ${deliveryTimeoutAdvice}`
}
