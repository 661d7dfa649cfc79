import { fullJitter, PosthornError, resourceNames } from '@posthorn/core/adapter'
import type { Delivery, SendOptions, Subscription } from '@posthorn/core/adapter'
import type { BrokerConnection, ConnectionParts } from './connection.js'
import { ConsumerSession } from './consumerSession.js'
import { abortedError, textOf, unreachableError } from './errorMapping.js'
import { planTopology, prepareTopology } from './topology.js'
import { pause, within } from './waiting.js'

/** What a subscription works with. */
export interface SubscriptionParts extends Omit<ConnectionParts, 'purpose'> {
  readonly connection: BrokerConnection
  readonly subscription: Subscription
  onDeliveries(deliveries: readonly Delivery[]): void
  /** It was stopped, and nothing of it is left on the broker. */
  onFinished(): void
}

/** A session that held so long was fine: the next end begins with the shortest wait again. */
const stableMs = 1_000

/**
 * Keeps one subscription consuming, over as many sessions as it takes: starting → consuming → starting → …, stopped from
 * everywhere. Each session begins with the topology, since brokers get wiped and queues deleted.
 */
export class ResumingSubscription {
  readonly #parts: SubscriptionParts
  readonly #queue: string
  readonly #stopping = new AbortController()
  #session: ConsumerSession | undefined
  #sessionSince = 0
  #failures = 0
  #lastError: unknown

  constructor(parts: SubscriptionParts) {
    const { destination, group, source } = parts.subscription
    this.#parts = parts
    this.#queue = source === 'dead' ? resourceNames.dead(destination, group) : resourceNames.group(destination, group)
  }

  /** Why it does not consume at the moment, for people. */
  get problem(): string | undefined {
    if (this.#session !== undefined || this.#lastError === undefined || this.#stopping.signal.aborted) return undefined
    return `${this.#queue}: ${textOf(this.#lastError)}`
  }

  /** Resolves when it consumes for the first time; rejects at once when trying again cannot help. */
  async start(options: SendOptions): Promise<void> {
    const { settings, context, connection } = this.#parts
    try {
      await within(this.#begin('first'), options, context.clock, {
        late: () =>
          this.#lastError instanceof PosthornError
            ? this.#lastError
            : unreachableError(settings, this.#lastError ?? connection.health().reason),
        aborted: (signal) => abortedError(settings, signal),
      })
    } catch (error) {
      this.#stopping.abort()
      await this.#session?.close(context.clock.monotonic())
      throw error
    }
  }

  async stop(deadline: number): Promise<void> {
    this.#stopping.abort()
    if (this.#session === undefined) this.#parts.onFinished()
    else await this.#session.stop(deadline)
  }

  async close(deadline: number): Promise<void> {
    this.#stopping.abort()
    await this.#session?.close(deadline)
  }

  /** Rejects only on the first time, and only with what does not pass by itself. */
  async #begin(when: 'first' | 'again'): Promise<void> {
    const { settings, context } = this.#parts
    const stop = this.#stopping.signal
    for (;;) {
      if (this.#failures > 0) await pause(fullJitter(this.#failures, settings.reconnect), stop, context.clock)
      if (stop.aborted) return
      try {
        return await this.#openSession()
      } catch (error) {
        if (stop.aborted) return
        this.#lastError = error
        if (when === 'first' && error instanceof PosthornError && !error.retryable) throw error
        this.#failures += 1
        const facts = { event: 'rabbitmq.subscribe', queue: this.#queue, err: error }
        context.logger.warn(facts, `Could not subscribe, trying again: ${textOf(error)}`)
      }
    }
  }

  async #openSession(): Promise<void> {
    const { settings, context, connection, subscription } = this.#parts
    const live = await connection.open({ deadline: Infinity, signal: this.#stopping.signal })
    await prepareTopology(live.model, planTopology({ publishes: [], subscriptions: [subscription] }), settings.topology)
    if (this.#stopping.signal.aborted) return
    const session = await ConsumerSession.open(live, {
      subscription,
      queue: this.#queue,
      context,
      onDeliveries: (batch) => this.#parts.onDeliveries(batch),
      onEnded: (reason) => this.#onEnded(reason),
    })
    // Stopped in the meantime: nobody wants its deliveries.
    if (this.#stopping.signal.aborted) return session.close(context.clock.monotonic())
    this.#session = session
    this.#sessionSince = context.clock.monotonic()
    this.#lastError = undefined
  }

  #onEnded(reason: string): void {
    const { clock, logger } = this.#parts.context
    this.#session = undefined
    if (this.#stopping.signal.aborted) return this.#parts.onFinished()
    this.#lastError = new Error(`the consumer ended: ${reason}`)
    this.#failures = clock.monotonic() - this.#sessionSince >= stableMs ? 1 : this.#failures + 1
    logger.warn({ event: 'rabbitmq.consumerEnded', queue: this.#queue }, `Subscribing again: ${reason}`)
    void this.#begin('again')
  }
}
