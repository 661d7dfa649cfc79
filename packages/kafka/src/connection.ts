import { randomUUID } from 'node:crypto'
import { ConfigurationError, createLog, transportHealth } from '@posthorn/core/adapter'
import type {
  Clock,
  EventLoopWatch,
  Logger,
  SendOptions,
  TransportContext,
  TransportHealth,
} from '@posthorn/core/adapter'
import { byDeadline, repeat } from './byDeadline.js'
import { createCounts } from './counts.js'
import type { Counts } from './counts.js'
import { createCrashRecord } from './crashRecord.js'
import type { CreateDriver, KafkaDriver } from './driver/driver.js'
import { DriverError, isPassing } from './driver/driverError.js'
import { connectError, endedError } from './errorMapping.js'
import { createKafkaSender } from './kafkaSender.js'
import type { KafkaSender } from './kafkaSender.js'
import { createKafkaSubscriber } from './kafkaSubscriber.js'
import type { KafkaSubscriber } from './kafkaSubscriber.js'
import { explainHangUp } from './listenerProbe.js'
import { driverSettings } from './driverSettings.js'
import type { Settings } from './options.js'
import { createTopology } from './topology.js'
import type { Topology } from './topology.js'
import { watchSending } from './sendingWatch.js'
import { watchSession } from './sessionWatch.js'
import { createTurns } from './turns.js'

/** What works on one driver; made anew with it. */
interface Session {
  readonly driver: KafkaDriver
  readonly topology: Topology
  readonly sender: KafkaSender
  readonly subscriber: KafkaSubscriber
  readonly eventLoop: EventLoopWatch
}

/** How what does not work is called, when it is not a group. */
const sending = 'sending'

/**
 * One transport's way to the cluster: idle → connecting → ready ⇄ connecting → closed. kafkajs opens and closes the
 * connections underneath by itself; "connecting" after "ready" means that sending or a group fails for want of one.
 */
export class Connection {
  readonly #settings: Settings
  readonly #createDriver: CreateDriver
  readonly #closing = new AbortController()
  readonly #counts: Counts = createCounts()
  #session: Session | undefined
  #clock: Clock | undefined
  #state: TransportHealth['state'] = 'idle'
  #reason: string | undefined
  /** What does not work at the moment, and why: sending, or a group. */
  readonly #troubles = new Map<string, string>()
  /** Groups that fetch nothing, though they were begun anew, and why. */
  readonly #starving = new Map<string, string>()
  readonly #lag = new Map<string, number>()
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
    const outcome = await repeat(firstExplained(session.driver, this.#settings, context.clock), {
      ...both,
      clock: context.clock,
      backoff: this.#settings.reconnect,
      isPassing,
    })
    if (this.isClosed) throw endedError(brokers, 'the transport was closed')
    if ('error' in outcome) {
      const { error } = outcome
      this.#reason = error instanceof Error ? error.message : 'no broker answered'
      if (error instanceof ConfigurationError) throw error
      throw options.signal?.aborted === true
        ? endedError(brokers, "the caller's signal fired")
        : connectError(this.#settings, error)
    }
    await session.topology.ensureDestinations(publishes, both)
    this.#state = 'ready'
    this.#reason = undefined
  }

  health(): TransportHealth {
    const [trouble] = this.#state === 'ready' ? this.#troubles : []
    const state = trouble === undefined ? this.#state : 'connecting'
    const why = trouble === undefined ? this.#reason : `${trouble[0]}: ${trouble[1]}`
    const [noDeliveries] = this.isClosed ? [] : this.#starving.values()
    const isGroup = trouble !== undefined && trouble[0] !== sending
    return {
      ...transportHealth({ system: 'kafka', state, why, noDeliveries, ...(isGroup ? { notConsuming: why } : {}) }),
      state,
      addresses: this.#settings.brokers,
      reconnects: this.#reconnects,
      counts: { ...this.#counts },
      ...(this.#lag.size === 0 ? {} : { lag: Object.fromEntries(this.#lag) }),
      ...(this.#session === undefined ? {} : sessionHealth(this.#session)),
    }
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
    const { driver, sender, subscriber, eventLoop } = session
    eventLoop.stop()
    // Sending ends first: what waits for the confirmation of its retry or dead letter can still be settled after it.
    const now = this.#clock.monotonic()
    await sender.close(now + (deadline - now) / 2)
    await byDeadline(subscriber.close(deadline), { clock: this.#clock, deadline })
    await driver.close(deadline)
  }

  #open({ clock, logger: given }: TransportContext): Session {
    const logger = createLog(given, clock)
    const settings = this.#settings
    const counts = this.#counts
    this.#clock = clock
    if (typeof settings.tls === 'object' && settings.tls.rejectUnauthorized === false) {
      logger.warn(
        { event: 'kafka.tlsUnverified' },
        'tls.rejectUnauthorized is false: any server is taken for the broker, and gets the password. Give tls.ca instead',
      )
    }
    const driver = this.#createDriver(driverSettings(settings, { clock, logger, stop: this.#closing.signal }))
    const topology = createTopology({ driver, settings, clock, logger })
    const onTrouble = watchSending({
      clock,
      backoff: settings.reconnect,
      signal: this.#closing.signal,
      isIdle: () => sender.isIdle,
      // The leaders are asked, and not any broker: one of them may be the one that is away.
      ask: (topic) => driver.logOffsets(topic),
      notice: (why) => this.#notice(sending, why, logger),
    })
    const sender = createKafkaSender({ driver, topology, settings, counts, clock, onTrouble })
    return {
      driver,
      topology,
      eventLoop: watchSession(settings, { clock, logger }, counts),
      sender,
      subscriber: createKafkaSubscriber({
        driver,
        topology,
        settings,
        counts,
        turns: createTurns(clock),
        record: createCrashRecord(randomUUID().slice(0, 8)),
        clock,
        logger,
        onTrouble: (what, why) => this.#notice(what, why, logger),
        onStarving: (groupId, why) => {
          if (why === undefined) this.#starving.delete(groupId)
          else this.#starving.set(groupId, why)
        },
        onLag: (groupId, messages) => {
          if (messages === undefined) this.#lag.delete(groupId)
          else this.#lag.set(groupId, messages)
        },
      }),
    }
  }

  /** Kafka's clients have no connection of their own to ask: what fails for want of one tells. */
  #notice(what: string, why: string | undefined, logger: Logger): void {
    if (this.isClosed) return
    const wasDown = this.#troubles.has(what)
    if (why !== undefined) {
      this.#troubles.set(what, why)
      if (!wasDown) logger.warn({ event: 'kafka.trouble', what, reason: why }, `Kafka: ${what} does not work: ${why}`)
    } else if (wasDown) {
      this.#troubles.delete(what)
      this.#reconnects += 1
      logger.info({ event: 'kafka.recovered', what }, `Kafka: ${what} works again`)
    }
  }
}

function sessionHealth({ eventLoop, subscriber }: Session): Pick<TransportHealth, 'eventLoopDelayMs' | 'topics'> {
  return { eventLoopDelayMs: eventLoop.longestMs, topics: subscriber.topics() }
}

/** Connects; the first time that a broker hangs up, finds out why, at the price of a connection or two more. */
function firstExplained(driver: KafkaDriver, settings: Settings, clock: Clock): () => Promise<void> {
  let isExplained = false
  return async () => {
    try {
      await driver.connect()
    } catch (error) {
      if (isExplained || !(error instanceof DriverError) || error.kind !== 'connection') throw error
      isExplained = true
      throw (await explainHangUp(settings, clock)) ?? error
    }
  }
}
