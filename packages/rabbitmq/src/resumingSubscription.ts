import { fullJitter, PosthornError } from '@posthorn/core/adapter'
import type { Delivery, SendOptions, Subscription } from '@posthorn/core/adapter'
import type { Options } from 'amqplib'
import { createCaution } from './caution.js'
import type { Caution } from './caution.js'
import type { BrokerConnection, ConnectionParts, LiveConnection } from './connection.js'
import { ConsumerSession } from './consumerSession.js'
import { abortedError, textOf, unreachableError } from './errorMapping.js'
import { groupWarnings } from './planWarnings.js'
import { prepareTopology, queueFacts } from './prepareTopology.js'
import { planTopology } from './topology.js'
import type { TopologyMap } from './topologyMap.js'
import { pause, within } from './waiting.js'
import { createWatchdog } from './watchdog.js'
import type { Watchdog } from './watchdog.js'

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
/** AMQP has 16 bits for the prefetch. */
const maxPrefetch = 65_535
/**
 * So long an attempt to subscribe may take. A node that was paused while it asked the leader of a quorum queue never
 * answers a declaration, though its heartbeats come (seen on a cluster of RabbitMQ 4.3.6); the next attempt is answered.
 */
const answerTimeoutMs = 10_000
/** Between two repairs: a queue that cannot be declared must not cost a declaration for each copy that misses it. */
const repairPauseMs = 1_000

/**
 * Keeps one subscription consuming, over as many sessions as it takes: starting → consuming → starting → …, stopped from
 * everywhere. Each session begins with the topology, since brokers get wiped and queues deleted.
 */
export class ResumingSubscription {
  readonly #parts: SubscriptionParts
  readonly #queue: string
  readonly #stopping = new AbortController()
  readonly #caution: Caution
  readonly #watchdog: Watchdog
  #repairedAt = -Infinity
  #session: ConsumerSession | undefined
  #sessionSince = 0
  #sessionCount = 0
  /** The session before ended for the next one to begin. */
  #isPlanned = false
  #failures = 0
  #lastError: unknown

  constructor(parts: SubscriptionParts) {
    const { context, counts, settings, subscription } = parts
    const { work, dead } = settings.topology.queuesOf(subscription)
    this.#queue = subscription.source === 'dead' ? dead : work
    const { destination, group } = subscription
    const logger = context.logger.child({ destination, group, queue: this.#queue })
    this.#parts = { ...parts, context: { ...context, logger } }
    this.#caution = createCaution({
      subscription,
      maxPrefetch: Math.min(subscription.maxInFlight, maxPrefetch),
      counts,
      logger,
    })
    this.#watchdog = createWatchdog({
      intervalMs: settings.watchdogIntervalMs,
      ordered: subscription.ordered,
      clock: context.clock,
      logger,
      progress: () => this.#session?.progress,
      ask: () => this.#ask(),
      onStuck: (reason) => {
        counts.stalled += 1
        this.#session?.abandon(`it was stuck: ${reason}`)
      },
    })
  }

  /** Why it does not consume at the moment, for people. */
  get problem(): string | undefined {
    if (this.#session !== undefined || this.#lastError === undefined || this.#stopping.signal.aborted) return undefined
    return `${this.#queue}: ${textOf(this.#lastError)}`
  }

  /** Why it gets nothing, though it was subscribed anew, for people. */
  get starvation(): string | undefined {
    if (!this.#watchdog.isHelpless || this.#stopping.signal.aborted) return undefined
    return `${this.#queue} has messages, and nothing comes of them, however often it is subscribed to`
  }

  /** Resolves when it consumes for the first time; rejects at once when trying again cannot help. */
  async start(options: SendOptions): Promise<void> {
    const { settings, context, connection, subscription } = this.#parts
    for (const warning of groupWarnings(subscription, settings.topology)) {
      context.logger.warn({ event: 'rabbitmq.topology' }, warning)
    }
    try {
      await within(this.#begin('first'), options, context.clock, {
        late: () =>
          this.#lastError instanceof PosthornError
            ? this.#lastError
            : unreachableError(settings, this.#lastError ?? connection.health().reason),
        aborted: (signal) => abortedError(settings, signal),
      })
    } catch (error) {
      this.#stop()
      await this.#session?.close(context.clock.monotonic())
      throw error
    }
  }

  async stop(deadline: number): Promise<void> {
    this.#stop()
    if (this.#session === undefined) this.#parts.onFinished()
    else await this.#session.stop(deadline)
  }

  async close(deadline: number): Promise<void> {
    this.#stop()
    await this.#session?.close(deadline)
  }

  /** Whether it is that group's work on that destination. */
  isFor(destination: string, group: string): boolean {
    const { subscription } = this.#parts
    return subscription.source === 'work' && subscription.destination === destination && subscription.group === group
  }

  /** Declares again what it needs, after a copy found its queue gone; seldom enough. Never rejects. */
  async repair(): Promise<void> {
    const { settings, context, counts, connection } = this.#parts
    const now = context.clock.monotonic()
    if (settings.topology.mode !== 'apply' || this.#stopping.signal.aborted || now - this.#repairedAt < repairPauseMs)
      return
    this.#repairedAt = now
    try {
      const live = await connection.open({ deadline: now + settings.connectTimeoutMs, signal: this.#stopping.signal })
      await this.#prepare(live)
      counts.repaired += 1
      const facts = { event: 'rabbitmq.repaired' }
      context.logger.warn(facts, 'A queue for retries or dead letters was gone; it is declared again')
    } catch (error) {
      const facts = { event: 'rabbitmq.notRepaired', err: error }
      context.logger.warn(facts, `A queue for retries or dead letters is gone, and was not declared: ${textOf(error)}`)
    }
  }

  #stop(): void {
    this.#stopping.abort()
    this.#watchdog.stop()
  }

  async #ask(): ReturnType<typeof queueFacts> {
    const { context, settings, connection } = this.#parts
    const deadline = context.clock.monotonic() + settings.connectTimeoutMs
    const live = await connection.open({ deadline, signal: this.#stopping.signal })
    return queueFacts(live.model, this.#queue)
  }

  #prepare(live: LiveConnection): Promise<void> {
    const { settings, subscription } = this.#parts
    const { topology } = settings
    const plan = planTopology({ publishes: [], subscriptions: [subscription] }, topology)
    return prepareTopology(live.model, plan, topology.mode)
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
        const facts = { event: 'rabbitmq.subscribe', err: error }
        context.logger.warn(facts, `Could not subscribe, trying again: ${textOf(error)}`)
      }
    }
  }

  async #openSession(): Promise<void> {
    const { settings, context, counts, connection } = this.#parts
    const live = await connection.open({ deadline: Infinity, signal: this.#stopping.signal })
    const attempt = new AbortController()
    const opening = this.#openOn(live, attempt.signal)
    const session = await within(
      opening,
      { deadline: context.clock.monotonic() + answerTimeoutMs, signal: this.#stopping.signal },
      context.clock,
      {
        late: () => unreachableError(settings, `the broker did not answer within ${answerTimeoutMs} ms`),
        aborted: (signal) => abortedError(settings, signal),
      },
    ).catch((error: unknown) => {
      attempt.abort()
      // Should it come after all: nobody wants its deliveries.
      opening.then((late) => late?.close(context.clock.monotonic())).catch(() => {})
      throw error
    })
    if (session === undefined) return
    this.#session = session
    if (this.#sessionCount > 0 && !this.#isPlanned) counts.resubscribed += 1
    this.#isPlanned = false
    this.#sessionCount += 1
    this.#sessionSince = context.clock.monotonic()
    this.#lastError = undefined
  }

  /** Topology and consumer; undefined when nobody wants them any more. */
  async #openOn(live: LiveConnection, abandoned: AbortSignal): Promise<ConsumerSession | undefined> {
    const { settings, context, counts, subscription } = this.#parts
    await this.#prepare(live)
    if (abandoned.aborted) return undefined
    return ConsumerSession.open(live, {
      subscription,
      queue: this.#queue,
      consume: consumeOptionsOf(subscription, settings.topology),
      context,
      counts,
      fastPath: settings.fastPath,
      caution: this.#caution,
      onDeliveries: (batch) => {
        if (!abandoned.aborted) this.#parts.onDeliveries(batch)
      },
      onEnded: (reason, planned) => {
        if (!abandoned.aborted) this.#onEnded(reason, planned)
      },
    })
  }

  #onEnded(reason: string, planned: boolean): void {
    const { clock, logger } = this.#parts.context
    this.#session = undefined
    if (this.#stopping.signal.aborted) return this.#parts.onFinished()
    this.#isPlanned = planned
    if (planned) {
      this.#failures = 0
      return void this.#begin('again')
    }
    this.#lastError = new Error(`the consumer ended: ${reason}`)
    this.#failures = clock.monotonic() - this.#sessionSince >= stableMs ? 1 : this.#failures + 1
    logger.warn({ event: 'rabbitmq.consumerEnded' }, `Subscribing again: ${reason}`)
    void this.#begin('again')
  }
}

function consumeOptionsOf(subscription: Subscription, map: TopologyMap): Options.Consume {
  if (subscription.source === 'dead') return {}
  const { priority, cancelOnFailover } = map.queuesOf(subscription)
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(cancelOnFailover ? { arguments: { 'x-cancel-on-ha-failover': true } } : {}),
  }
}
