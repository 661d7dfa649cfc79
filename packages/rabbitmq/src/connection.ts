import { fullJitter, LifecycleError } from '@posthorn/core/adapter'
import type { SendOptions, TransportContext } from '@posthorn/core/adapter'
import type { ChannelModel } from 'amqplib'
import type { Broker } from './brokerUrl.js'
import { connectOnce } from './connectOnce.js'
import type { OpenSocket } from './connectOnce.js'
import type { Counts } from './counts.js'
import { abortedError, refusalOf, refusedError, textOf, unreachableError } from './errorMapping.js'
import { createLossStreak, suspiciousStreak } from './lossStreak.js'
import type { Settings } from './options.js'
import { keepSecretFresh } from './secretRefresh.js'
import { pause, settledBy, within } from './waiting.js'

/** One connection from its handshake to its end. Everything made on it belongs to its epoch and ends with it. */
export interface LiveConnection {
  readonly epoch: number
  readonly model: ChannelModel
  /** From the `close` event on. */
  readonly lost: boolean
  /** Ends the socket at once; the next connection is made as after any loss. */
  destroy(): void
}

/** Told about a connection's life, in its order; must not throw. */
export interface ConnectionListener {
  ready(live: LiveConnection): void
  blocked(blocked: boolean): void
}

/** What a connection says of itself. */
export interface ConnectionHealth {
  readonly state: 'idle' | 'connecting' | 'ready' | 'blocked' | 'closed'
  readonly reason?: string
  readonly reconnects: number
}

/** What a connection is made of. */
export interface ConnectionParts {
  readonly settings: Settings
  readonly context: TransportContext
  readonly counts: Counts
  /** What it is for, as logs and the broker's management show it. */
  readonly purpose: string
}

interface Held extends LiveConnection, OpenSocket {
  lost: boolean
  readonly ending: AbortController
  readonly since: number
}

interface Waiter {
  resolve(live: LiveConnection): void
  reject(error: Error): void
}

/** A connection that held so long was fine: the next loss begins with the shortest wait again. */
const stableMs = 1_000
/**
 * A broker that starts or stops refuses virtual hosts for a moment, and amqplib drops the reason: so many refusals in a
 * row are meant.
 */
const maxVhostRefusals = 3

/**
 * Keeps one connection open from the first `open` to `close`. States: idle → connecting → ready → connecting → …, closed
 * from everywhere. One loop connects at a time (single flight), each connection has an epoch number, and the `close`
 * event alone moves on, since a graceful close by the broker has no `error`.
 */
export class BrokerConnection {
  readonly #parts: ConnectionParts
  readonly #listener: ConnectionListener
  readonly #waiters = new Set<Waiter>()
  readonly #streak = createLossStreak()
  #loop: AbortController | undefined
  #held: Held | undefined
  #epoch = 0
  #failures = 0
  #vhostRefusals = 0
  #blockedBy: string | undefined
  #blockedSince = 0
  #blockedMs = 0
  #lastError: unknown
  #lastLoss = ''
  #frameMaxBytes = Infinity
  #closed = false

  constructor(parts: ConnectionParts, listener: ConnectionListener = { ready: () => {}, blocked: () => {} }) {
    this.#parts = parts
    this.#listener = listener
  }

  /**
   * Resolves with the open connection, made now if need be. Rejects at the deadline, when the signal fires, and at once
   * when the broker refuses us. A first connection that nobody waits for any more is given up; one that was lost comes
   * back by itself.
   */
  async open(options: SendOptions): Promise<LiveConnection> {
    if (this.#closed) throw closedError()
    if (this.#held !== undefined) return this.#held
    const { settings, context } = this.#parts
    let waiter: Waiter | undefined
    const opened = new Promise<LiveConnection>((resolve, reject) => {
      waiter = { resolve, reject }
      this.#waiters.add(waiter)
    })
    this.#keepConnecting()
    try {
      return await within(opened, options, context.clock, {
        late: () => unreachableError(settings, this.#lastError),
        aborted: (signal) => abortedError(settings, signal),
      })
    } finally {
      if (waiter !== undefined) this.#waiters.delete(waiter)
      this.#stopIfUnwanted()
    }
  }

  /** Longest frame that the broker takes, in bytes, as agreed with the last connection. */
  get frameMaxBytes(): number {
    return this.#frameMaxBytes
  }

  /** For how long the broker took no messages, in all, the block that lasts included. */
  get blockedMs(): number {
    const lastsMs = this.#blockedBy === undefined ? 0 : this.#parts.context.clock.monotonic() - this.#blockedSince
    return this.#blockedMs + lastsMs
  }

  health(): ConnectionHealth {
    const reconnects = Math.max(0, this.#epoch - 1)
    if (this.#closed) return { state: 'closed', reconnects }
    if (this.#blockedBy !== undefined) return { state: 'blocked', reason: this.#blockedBy, reconnects }
    if (this.#held !== undefined) return { state: 'ready', reconnects }
    const state = this.#loop === undefined ? 'idle' : 'connecting'
    const reason = this.#streak.count >= suspiciousStreak ? this.#streakText() : undefined
    if (reason !== undefined) return { state, reason, reconnects }
    return { state, ...(this.#lastError === undefined ? {} : { reason: textOf(this.#lastError) }), reconnects }
  }

  /** Ends the connection, or the attempt to make one; resolves by the deadline, with the socket gone. Idempotent. */
  async close(deadline: number): Promise<void> {
    this.#closed = true
    this.#loop?.abort()
    this.#rejectWaiters(closedError())
    const held = this.#held
    if (held === undefined) return
    // amqplib's promise stays pending for ever when the peer is dead: the socket ends it.
    await settledBy(held.model.close(), deadline, this.#parts.context.clock)
    held.destroy()
  }

  #keepConnecting(): void {
    if (this.#loop !== undefined) return
    const loop = new AbortController()
    this.#loop = loop
    this.#vhostRefusals = 0
    void this.#connect(loop.signal).then((socket) => {
      if (this.#loop === loop) this.#loop = undefined
      if (socket !== undefined) this.#becomeReady(socket)
    })
  }

  /** Resolves with an open connection, or with nothing once the loop is told to end. */
  async #connect(stop: AbortSignal): Promise<OpenSocket | undefined> {
    const { settings, context } = this.#parts
    for (;;) {
      // Also before the first attempt after a loss: a thousand clients of one broker lost it in the same moment.
      if (this.#failures > 0) await pause(fullJitter(this.#failures, settings.reconnect), stop, context.clock)
      let badTls: Error | undefined
      for (const broker of shuffled(settings.brokers)) {
        if (stop.aborted) return undefined
        try {
          return await connectOnce({ broker, stop, isFirst: this.#epoch === 0, ...this.#parts }, context.clock)
        } catch (error) {
          if (!stop.aborted) badTls = this.#failed(error, broker) ?? badTls
        }
      }
      // Of several nodes one may have a bad certificate: only when none lets us in, nobody waits for the others.
      if (badTls !== undefined && !stop.aborted) this.#refuse(badTls)
      this.#failures += 1
    }
  }

  /** Takes note of a failed attempt; returns what to refuse with when no other node lets us in. */
  #failed(error: unknown, { address }: Broker): Error | undefined {
    const { settings, context, purpose } = this.#parts
    const refusal = refusalOf(error)
    const refused =
      refusal === undefined
        ? undefined
        : refusedError(refusal, refusal === 'tls' ? { ...settings, addresses: [address] } : settings, error)
    this.#lastError = refused ?? error
    const facts = { event: 'rabbitmq.connect', purpose, address, err: refused ?? error }
    context.logger.warn(facts, `Could not connect to RabbitMQ: ${textOf(refused ?? error)}`)
    if (refused === undefined || refusal === 'tls') return refused
    if (refusal === 'virtualHost') this.#vhostRefusals += 1
    if (refusal !== 'virtualHost' || this.#vhostRefusals >= maxVhostRefusals) this.#refuse(refused)
    return undefined
  }

  /** Who waits is told now. A connection that worked before keeps trying, slowly: what refuses it gets repaired. */
  #refuse(refused: Error): void {
    this.#lastError = refused
    this.#rejectWaiters(refused)
    this.#stopIfUnwanted()
  }

  // Runs in the microtasks after the handshake, before any other event of the socket: no `error` is without a listener.
  #becomeReady(socket: OpenSocket): void {
    const { context, purpose } = this.#parts
    const { model } = socket
    const since = context.clock.monotonic()
    const held: Held = { ...socket, epoch: this.#epoch + 1, lost: false, since, ending: new AbortController() }
    model.on('error', (error) => {
      this.#lastError = error
      // Most errors come with the close. After the others amqplib waits for a peer that may never answer.
      context.clock.schedule(stableMs, () => held.destroy(), { background: true })
    })
    model.on('close', (error) => this.#becomeLost(held, error))
    model.on('blocked', (reason) => this.#becomeBlocked(held, `RabbitMQ takes no messages: ${reason}`))
    model.on('unblocked', () => this.#becomeBlocked(held, undefined))
    if (this.#closed || (this.#epoch === 0 && this.#waiters.size === 0)) return held.destroy()
    this.#epoch = held.epoch
    this.#held = held
    this.#frameMaxBytes = frameMaxOf(model)
    const { version } = model.connection.serverProperties
    context.logger.info({ event: 'rabbitmq.connected', purpose, epoch: held.epoch, version }, 'Connected to RabbitMQ')
    for (const waiter of this.#waiters) waiter.resolve(held)
    this.#listener.ready(held)
    this.#keepFresh(held)
  }

  #keepFresh(held: Held): void {
    const source = this.#parts.settings.credentials
    if (typeof source !== 'function' || held.credentials === undefined) return
    void keepSecretFresh(held.credentials, {
      ...this.#parts,
      source,
      update: (secret) => held.model.updateSecret(secret, 'the last one expires'),
      isBlocked: () => this.#blockedBy !== undefined,
      reconnect: () => held.destroy(),
      stop: held.ending.signal,
    })
  }

  #becomeLost(held: Held, error: Error | undefined): void {
    const { context, purpose } = this.#parts
    held.lost = true
    held.ending.abort()
    // amqplib only ends its side; a peer that never answers would keep the process alive. After this turn of the event
    // loop, so that the answer to a close by the broker is written.
    setImmediate(() => held.destroy())
    if (this.#held !== held) return
    this.#held = undefined
    this.#lastError = error ?? this.#lastError
    this.#becomeBlocked(held, undefined)
    if (this.#closed) return
    const heldMs = context.clock.monotonic() - held.since
    this.#lastLoss = textOf(this.#lastError)
    this.#streak.add(this.#lastLoss, heldMs)
    const facts = { event: 'rabbitmq.connectionLost', purpose, epoch: held.epoch, err: this.#lastError }
    context.logger.warn(facts, `Lost the connection to RabbitMQ, reconnecting: ${this.#lastLoss}`)
    if (this.#streak.count >= suspiciousStreak) {
      const streak = { event: 'rabbitmq.lostAgain', purpose, count: this.#streak.count, err: this.#lastError }
      context.logger.error(streak, this.#streakText())
    }
    this.#failures = heldMs >= stableMs ? 1 : this.#failures + 1
    this.#keepConnecting()
  }

  #streakText(): string {
    return (
      `Lost the connection to RabbitMQ ${this.#streak.count} times in a row for the same reason (${this.#lastLoss}): ` +
      'a message may break it each time that it is delivered. Look at the heads of the queues, and at maxFrameSizeBytes.'
    )
  }

  #becomeBlocked(held: Held, reason: string | undefined): void {
    if (reason === this.#blockedBy || (reason !== undefined && this.#held !== held)) return
    this.#blockedMs = this.blockedMs
    this.#blockedSince = this.#parts.context.clock.monotonic()
    this.#blockedBy = reason
    if (reason !== undefined) {
      this.#parts.counts.blocked += 1
      const { context, purpose } = this.#parts
      context.logger.warn({ event: 'rabbitmq.blocked', purpose }, reason)
    }
    this.#listener.blocked(reason !== undefined)
  }

  #rejectWaiters(error: Error): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.reject(error)
  }

  #stopIfUnwanted(): void {
    if (this.#waiters.size > 0 || this.#epoch > 0) return
    this.#loop?.abort()
    this.#loop = undefined
    this.#failures = 0
  }
}

/** As amqplib has agreed with the broker; unlimited where it does not say. */
function frameMaxOf({ connection }: ChannelModel): number {
  const { frameMax } = connection as { readonly frameMax?: unknown }
  return typeof frameMax === 'number' && frameMax > 0 ? frameMax : Infinity
}

function closedError(): LifecycleError {
  return new LifecycleError({ code: 'POSTHORN_STOPPED', message: 'The RabbitMQ transport is closed. Make a new one.' })
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, rank: Math.random() }))
    .toSorted((left, right) => left.rank - right.rank)
    .map(({ value }) => value)
}
