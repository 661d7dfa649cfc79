import { randomUUID } from 'node:crypto'
import type { Clock, Logger, SendOptions, TransportContext, TransportHealth } from '@posthorn/core/adapter'
import { byDeadline, repeat } from './byDeadline.js'
import { createCrashRecord } from './crashRecord.js'
import type { CreateDriver, KafkaDriver } from './driver/driver.js'
import { isPassing } from './driver/driverError.js'
import type { DriverError } from './driver/driverError.js'
import { connectError, endedError } from './errorMapping.js'
import { createKafkaSender } from './kafkaSender.js'
import type { KafkaSender } from './kafkaSender.js'
import { createKafkaSubscriber } from './kafkaSubscriber.js'
import type { KafkaSubscriber } from './kafkaSubscriber.js'
import type { Settings } from './options.js'
import { createTopology } from './topology.js'
import type { Topology } from './topology.js'
import { createTurns } from './turns.js'

/** What works on one driver; made anew with it. */
interface Session {
  readonly driver: KafkaDriver
  readonly topology: Topology
  readonly sender: KafkaSender
  readonly subscriber: KafkaSubscriber
}

/**
 * One transport's way to the cluster: idle → connecting → ready ⇄ connecting → closed. kafkajs opens and closes the
 * connections underneath by itself; "connecting" after "ready" means that sending or a group fails for want of one.
 */
export class Connection {
  readonly #settings: Settings
  readonly #createDriver: CreateDriver
  readonly #closing = new AbortController()
  #session: Session | undefined
  #clock: Clock | undefined
  #state: TransportHealth['state'] = 'idle'
  #reason: string | undefined
  /** What does not work at the moment, and why: sending, or a group. */
  readonly #troubles = new Map<string, string>()
  #reconnects = 0
  #closed: Promise<void> | undefined

  constructor(settings: Settings, createDriver: CreateDriver) {
    this.#settings = settings
    this.#createDriver = createDriver
  }

  /** Undefined until `connect` was called. */
  get sender(): KafkaSender | undefined {
    return this.#session?.sender
  }

  get subscriber(): KafkaSubscriber | undefined {
    return this.#session?.subscriber
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  async connect(context: TransportContext, publishes: readonly string[], options: SendOptions): Promise<void> {
    const { brokers } = this.#settings
    if (this.isClosed) throw endedError(brokers, 'the transport is closed')
    const { signal } = this.#closing
    const both = {
      deadline: options.deadline,
      signal: options.signal ? AbortSignal.any([options.signal, signal]) : signal,
    }
    const session = (this.#session ??= this.#open(context))
    if (this.#state === 'idle') this.#state = 'connecting'
    const outcome = await repeat(() => session.driver.connect(), {
      ...both,
      clock: context.clock,
      backoff: this.#settings.reconnect,
      isPassing,
    })
    if (this.isClosed) throw endedError(brokers, 'the transport was closed')
    if ('error' in outcome) {
      const { error } = outcome
      this.#reason = error instanceof Error ? error.message : 'no broker answered'
      throw options.signal?.aborted === true
        ? endedError(brokers, "the caller's signal fired")
        : connectError(brokers, error)
    }
    await session.topology.ensureDestinations(publishes, both)
    this.#state = 'ready'
    this.#reason = undefined
  }

  health(): TransportHealth {
    const [trouble] = this.#state === 'ready' ? this.#troubles : []
    const state = trouble === undefined ? this.#state : 'connecting'
    const reason = trouble === undefined ? this.#reason : `${trouble[0]}: ${trouble[1]}`
    const facts = { state, addresses: this.#settings.brokers, reconnects: this.#reconnects }
    return reason === undefined ? facts : { ...facts, reason }
  }

  close(deadline: number): Promise<void> {
    this.#closed ??= this.#close(deadline)
    return this.#closed
  }

  async #close(deadline: number): Promise<void> {
    this.#state = 'closed'
    this.#reason = undefined
    this.#closing.abort()
    const session = this.#session
    if (session === undefined || this.#clock === undefined) return
    const { driver, sender, subscriber } = session
    // Sending ends first: what waits for the confirmation of its retry or dead letter can still be settled after it.
    const now = this.#clock.monotonic()
    await sender.close(now + (deadline - now) / 2)
    await byDeadline(subscriber.close(deadline), { clock: this.#clock, deadline })
    await driver.close(deadline)
  }

  #open({ clock, logger }: TransportContext): Session {
    const settings = this.#settings
    this.#clock = clock
    const { brokers, clientId, ssl, sasl, connectTimeoutMs, requestTimeoutMs } = settings
    const driver = this.#createDriver({
      brokers,
      clientId,
      tls: ssl,
      sasl,
      connectTimeoutMs,
      requestTimeoutMs,
      logger,
      clock,
    })
    const topology = createTopology(driver, settings, clock)
    const onSendTrouble = (error: DriverError | undefined): void => {
      // Other failures are about a topic or a message, not about the way to the cluster.
      if (error === undefined || error.kind === 'connection') this.#notice('sending', error?.message, logger)
    }
    return {
      driver,
      topology,
      sender: createKafkaSender({ driver, topology, settings, clock, onTrouble: onSendTrouble }),
      subscriber: createKafkaSubscriber({
        driver,
        topology,
        settings,
        turns: createTurns(clock),
        record: createCrashRecord(randomUUID().slice(0, 8)),
        clock,
        logger,
        onTrouble: (groupId, why) => this.#notice(groupId, why, logger),
      }),
    }
  }

  /** Kafka's clients have no connection of their own to ask: what fails for want of one tells. */
  #notice(what: string, why: string | undefined, logger: Logger): void {
    if (this.isClosed) return
    const wasDown = this.#troubles.has(what)
    if (why !== undefined) {
      this.#troubles.set(what, why)
      if (!wasDown) logger.warn({ event: 'kafka.trouble', what, why }, `Kafka: ${what} does not work: ${why}`)
    } else if (wasDown) {
      this.#troubles.delete(what)
      this.#reconnects += 1
      logger.info({ event: 'kafka.recovered', what }, `Kafka: ${what} works again`)
    }
  }
}
