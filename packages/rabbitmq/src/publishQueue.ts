import { createDeadlines, fullJitter } from '@posthorn/core/adapter'
import type { Deadline, Deadlines, TimerHandle } from '@posthorn/core/adapter'
import { declarationFailureOf, judge } from './channelFailure.js'
import { ConfirmChannel } from './confirmChannel.js'
import type { LeftBehind } from './confirmChannel.js'
import type { ConnectionListener, ConnectionParts, LiveConnection } from './connection.js'
import type { DeclaredExchanges } from './declaredExchanges.js'
import { textOf } from './errorMapping.js'
import type { PendingPublish } from './pendingPublish.js'
import { createSilenceWatch } from './silenceWatch.js'
import type { SilenceWatch } from './silenceWatch.js'
import { settledBy } from './waiting.js'

/** What a queue of publishes works with. */
export interface PublishQueueParts extends ConnectionParts {
  readonly exchanges: DeclaredExchanges
  /**
   * A confirm channel is replaced after so many publishes, once nothing is in flight on it: amqplib's window of
   * unconfirmed messages keeps holes that never close.
   */
  readonly recycleAfterCount: number
}

/** Longest pause of publishing to replace a channel; a broker that confirms later than that keeps the old one. */
const maxRecyclePauseMs = 1_000
/**
 * A publish that has left the process may still stand in buffers of the system, of a proxy and of the broker's machine, for as
 * long as a link that is no faster takes for it: 256 KiB in a second.
 */
const slowestBytesPerMs = 262.144
/**
 * A channel that still refuses so long after its first refusal is replaced. On RabbitMQ 3.10 a channel that saw a queue
 * full goes on refusing for good once the limit is raised or taken away, while a new one is answered at once (tried; 4.0
 * and 4.3 do better).
 */
const maxRefusingMs = 5_000

/**
 * Writes publishes in the order in which they came, on one confirm channel at a time; they wait here while there is
 * none, while the broker blocks publishers, while the buffer is full, and until their exchange is known to exist. What a
 * broken connection held fails as `unknown`; what a neighbour's mistake took down is written again.
 */
export class PublishQueue implements ConnectionListener {
  readonly #parts: PublishQueueParts
  readonly deadlines: Deadlines
  readonly #silence: SilenceWatch
  #waiting = new Set<PendingPublish>()
  #live: LiveConnection | undefined
  #channel: ConfirmChannel | undefined
  /** The connection on which a channel is being opened. */
  #opening: LiveConnection | undefined
  #reopening: TimerHandle | undefined
  #recycleAt: number
  #recycling: Deadline | undefined
  #refusingSince: number | undefined
  #isBlocked = false
  #isCongested = false
  #isDeclaring = false
  #isJudging = false
  #isClosed = false
  #failures = 0
  #onEmpty: (() => void) | undefined

  constructor(parts: PublishQueueParts) {
    this.#parts = parts
    this.#recycleAt = parts.recycleAfterCount
    this.deadlines = createDeadlines(parts.context.clock)
    this.#silence = createSilenceWatch({
      clock: parts.context.clock,
      isExpecting: () => this.#isExpecting(),
      extraMs: () => (this.#channel?.owedBytes ?? 0) / slowestBytesPerMs,
      onSilence: (silentMs) => this.#endSilence(silentMs),
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  add(pending: PendingPublish): void {
    this.#silence.start()
    const live = this.#live
    const mayGoNow = this.#waiting.size === 0 && this.#isWritable() && live !== undefined
    if (mayGoNow && this.#parts.exchanges.has(pending.address.exchange, live)) return this.#write(pending)
    this.#waiting.add(pending)
    this.#flush()
  }

  /** For a publish whose caller gave up: a waiting one will not be written. */
  readonly remove = (pending: PendingPublish): void => {
    this.#waiting.delete(pending)
  }

  ready(live: LiveConnection): void {
    this.#live = live
    this.#silence.start()
    void this.#openChannel()
  }

  blocked(isBlocked: boolean): void {
    this.#isBlocked = isBlocked
    this.#silence.start()
    this.#flush()
  }

  /** Waits for what is written, as long as there is time for the rest; everything else is rejected. */
  async close(deadline: number): Promise<void> {
    const { clock } = this.#parts.context
    this.#isClosed = true
    this.#reopening?.cancel()
    this.#silence.stop()
    this.#failAll(this.#waiting, 'was not sent before the transport was closed')
    this.#waiting.clear()
    const channel = this.#channel
    if (channel === undefined) return
    if (channel.inFlight.size > 0 && !this.#isBlocked) {
      const now = clock.monotonic()
      await settledBy(new Promise<void>((resolve) => (this.#onEmpty = resolve)), now + (deadline - now) / 2, clock)
    }
    this.#failAll(channel.inFlight, 'was not confirmed before the transport was closed')
    await settledBy(channel.close(), deadline, clock)
  }

  /** Whether the broker owes us an answer: to a publish, or to what has to come before one. */
  #isExpecting(): boolean {
    if (this.#isBlocked || this.#isClosed || this.#live === undefined || this.#live.lost) return false
    return this.#waiting.size > 0 || (this.#channel?.inFlight.size ?? 0) > 0
  }

  #endSilence(silentMs: number): void {
    const { context, counts } = this.#parts
    counts.silences += 1
    const facts = {
      event: 'rabbitmq.silence',
      inFlight: this.#channel?.inFlight.size ?? 0,
      waiting: this.#waiting.size,
    }
    context.logger.warn(facts, `RabbitMQ answered no publish for ${silentMs} ms: connecting anew`)
    this.#live?.destroy()
  }

  #isWritable(): boolean {
    return this.#channel !== undefined && !this.#isBlocked && !this.#isCongested && this.#recycling === undefined
  }

  #flush(): void {
    for (const pending of this.#waiting) {
      const live = this.#live
      if (live === undefined || !this.#isWritable()) return
      if (!this.#parts.exchanges.has(pending.address.exchange, live)) {
        void this.#declare(pending.address.exchange, live)
        return
      }
      this.#waiting.delete(pending)
      this.#write(pending)
    }
  }

  #write(pending: PendingPublish): void {
    const channel = this.#channel
    const result = channel?.write(pending) ?? 'closed'
    if (result === 'closed') {
      // The event that says so is on its way, and opens the next one.
      this.#channel = undefined
      this.#waitAgain([pending])
    } else if (result === 'full') this.#isCongested = true
    if (channel !== undefined && channel.wearCount >= this.#recycleAt) this.#startRecycling(channel)
  }

  async #declare(exchange: string, live: LiveConnection): Promise<void> {
    if (this.#isDeclaring) return
    this.#isDeclaring = true
    try {
      await this.#parts.exchanges.declare(exchange, live)
      this.#silence.answered()
    } catch (error) {
      // On a broken connection nothing is decided: the next one asks again.
      if (!live.lost) this.#failWaitingFor(exchange, error)
    } finally {
      this.#isDeclaring = false
      this.#flush()
    }
  }

  async #openChannel(): Promise<void> {
    const live = this.#live
    if (live === undefined || live.lost || this.#isClosed || this.#isJudging) return
    if (this.#opening === live || this.#channel !== undefined) return
    this.#opening = live
    let channel: ConfirmChannel | undefined
    const listener = {
      refused: () => this.#onRefused(channel),
      settled: () => this.#onSettled(channel),
      drained: () => this.#onDrained(channel),
      progressed: () => this.#silence.answered(),
      closed: (left: LeftBehind) => this.#onChannelClosed(channel, left),
    }
    try {
      const { context, counts, settings } = this.#parts
      const { fastPath } = settings
      channel = await ConfirmChannel.open(live.model, { listener, logger: context.logger, counts, fastPath })
    } catch (error) {
      const { logger } = this.#parts.context
      logger.warn({ event: 'rabbitmq.channel', err: error }, `No publishing channel: ${textOf(error)}`)
    }
    if (this.#opening !== live) return // The connection is another one by now, and its own attempt is running.
    this.#opening = undefined
    if (channel === undefined || channel.isClosed) return this.#reopenLater()
    this.#channel = channel
    this.#silence.answered()
    this.#isCongested = false
    this.#recycleAt = this.#parts.recycleAfterCount
    this.#refusingSince = undefined
    this.#flush()
  }

  #reopenLater(): void {
    const { context, settings } = this.#parts
    if (this.#isClosed) return
    this.#failures += 1
    this.#reopening?.cancel()
    this.#reopening = context.clock.schedule(
      this.#failures === 1 ? 0 : fullJitter(this.#failures, settings.reconnect),
      () => void this.#openChannel(),
    )
  }

  #onDrained(channel: ConfirmChannel | undefined): void {
    if (channel === undefined || channel !== this.#channel) return
    this.#isCongested = false
    this.#flush()
  }

  #onRefused(channel: ConfirmChannel | undefined): void {
    if (channel === undefined || channel !== this.#channel) return
    const now = this.#parts.context.clock.monotonic()
    this.#refusingSince ??= now
    if (now - this.#refusingSince >= maxRefusingMs) this.#startRecycling(channel)
  }

  #onSettled(channel: ConfirmChannel | undefined): void {
    this.#failures = 0
    this.#silence.answered()
    if (channel === undefined || channel !== this.#channel || channel.inFlight.size > 0) return
    this.#onEmpty?.()
    if (this.#recycling === undefined) return
    this.#stopRecycling()
    this.#channel = undefined
    channel.close().catch(() => {}) // Nothing is on it any more; when it fails, it is gone too.
    void this.#openChannel()
  }

  #startRecycling(channel: ConfirmChannel): void {
    if (this.#recycling !== undefined || channel !== this.#channel) return
    // The next channel must not overtake this one: the broker works on each for itself.
    this.#recycling = this.deadlines.watch(this.#parts.context.clock.monotonic() + maxRecyclePauseMs, () => {
      this.#stopRecycling()
      this.#recycleAt = channel.wearCount + this.#parts.recycleAfterCount
      this.#refusingSince = undefined
      this.#flush()
    })
  }

  #stopRecycling(): void {
    this.#recycling?.clear()
    this.#recycling = undefined
  }

  #onChannelClosed(channel: ConfirmChannel | undefined, { inFlight, unsent, error }: LeftBehind): void {
    if (channel !== undefined && channel === this.#channel) this.#channel = undefined
    if (this.#channel === undefined) this.#stopRecycling()
    this.#onEmpty?.()
    if (this.#isClosed) this.#failAll(unsent, 'was not sent before the transport was closed', error)
    else this.#waitAgain(unsent)
    if (error === undefined || this.#isClosed) {
      this.#loseConnection(inFlight, error)
      // Channels close before their connection does, in the same turn; after it, a lost connection shows as lost.
      queueMicrotask(() => void this.#openChannel())
      return
    }
    this.#parts.counts.channelFailures += 1
    const { logger } = this.#parts.context
    logger.warn({ event: 'rabbitmq.channel', err: error }, `The publishing channel was closed: ${textOf(error)}`)
    if (this.#live !== undefined) void this.#sortOut(inFlight, error, this.#live)
  }

  async #sortOut(inFlight: readonly PendingPublish[], error: Error, live: LiveConnection): Promise<void> {
    const findMissing = (names: readonly string[]) => this.#parts.exchanges.findMissing(names, live)
    this.#isJudging = true
    const verdict = await judge(inFlight, error, findMissing).catch(() => undefined)
    this.#isJudging = false
    if (verdict === undefined) this.#loseConnection(inFlight, error)
    else {
      for (const [pending, failure] of verdict.culprits) pending.fail(failure)
      if (this.#isClosed) this.#failAll(verdict.innocents, 'lost its channel before the confirmation', error)
      else this.#sendAgain(verdict.innocents)
    }
    this.#reopenLater()
  }

  #loseConnection(inFlight: readonly PendingPublish[], error: Error | undefined): void {
    if (this.#isClosed || !this.#parts.settings.resendUnconfirmed) {
      this.#failAll(inFlight, 'lost its connection before the confirmation', error)
    } else this.#sendAgain(inFlight)
  }

  #sendAgain(written: readonly PendingPublish[]): void {
    const wanted = written.filter((pending) => !pending.isSettled)
    this.#parts.counts.resent += wanted.length
    this.#waitAgain(wanted)
  }

  /** Before those that wait already, so that the order of the calls stays. */
  #waitAgain(pending: readonly PendingPublish[]): void {
    if (pending.length > 0) this.#waiting = new Set([...pending, ...this.#waiting])
  }

  #failWaitingFor(exchange: string, error: unknown): void {
    const failure = declarationFailureOf(error)
    for (const pending of this.#waiting) {
      if (pending.address.exchange !== exchange) continue
      this.#waiting.delete(pending)
      pending.fail(failure)
    }
  }

  #failAll(pending: Iterable<PendingPublish>, what: string, cause?: unknown): void {
    for (const one of pending) one.fail({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', what, cause })
  }
}
