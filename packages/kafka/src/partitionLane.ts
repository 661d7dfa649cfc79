import { fullJitter } from '@posthorn/core/adapter'
import type { BackoffOptions, Clock, PublishError, TimerHandle } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'
import { backoffFor } from './backoffFor.js'
import { DriverError, isOutage } from './driver/driverError.js'
import type { OutgoingRecord } from './driver/driver.js'
import type { Refused } from './errorMapping.js'
import { batchOverhead } from './messageSize.js'
import type { Outgoing } from './outgoing.js'
import { OutgoingQueue } from './outgoingQueue.js'

/** What a lane does with its partition. */
export interface LaneOptions {
  readonly maxBatchBytes: number
  readonly clock: Clock
  readonly counts: Counts
  readonly send: (records: readonly OutgoingRecord[]) => Promise<void>
  /** The refusal of one message for good. */
  readonly refusal: (error: DriverError, refused: Refused) => PublishError
  /** A send failed and will be repeated; asks whether that has become pointless. */
  readonly beforeRetry: (error: DriverError) => Promise<void>
  /** A batch has been taken off the queue: the next message without a key may go elsewhere. */
  readonly onBatch: () => void
}

/** More did not make batches cheaper when it was measured. */
const maxBatchCount = 500
/** Small enough for a leader that has just moved; the deadline of each message ends it. */
const backoff: BackoffOptions = { firstMs: 50, maxMs: 1_000 }
/** The least waits, doubled, after attempts whose answers were lost: each may have put a copy into the log. */
const firstCopyMs = 25
const maxCopyMs = 2_000

/**
 * One partition's way to the broker: at most one send at a time, which carries everything that has piled up behind the
 * one before. A failed batch goes again before anything younger, so that the order of a key holds.
 */
export class PartitionLane {
  readonly #options: LaneOptions
  readonly #queue = new OutgoingQueue()
  /** Batches that go before the queue, first to last: one that failed, or the parts of one that was divided. */
  #again: (readonly Outgoing[])[] = []
  #underWay: readonly Outgoing[] = []
  #isBusy = false
  #failures = 0
  /** Failures in a row after which the batch may be in the log. */
  #copies = 0
  /** Learned from a topic that takes less than we thought. */
  #maxBytes: number
  #timer: TimerHandle | undefined
  #closed = false

  constructor(options: LaneOptions) {
    this.#options = options
    this.#maxBytes = options.maxBatchBytes
  }

  /** The last send failed, and is to be repeated. */
  get isFailing(): boolean {
    return this.#failures > 0
  }

  get isIdle(): boolean {
    return !this.#isBusy && this.#again.length === 0 && this.#queue.isIdle
  }

  push(outgoing: Outgoing): void {
    if (this.#closed) return
    this.#queue.push(outgoing)
    if (this.#isBusy) return
    this.#isBusy = true
    // Not at once: whatever is published in the same turn of the event loop shares the batch.
    setImmediate(this.#sendSoon)
  }

  /** Takes what waits, to be sent elsewhere. */
  drain(): Outgoing[] {
    const waiting = [...this.#again.flat(), ...this.#queue.drain()]
    this.#again = []
    return waiting
  }

  /** Sends nothing more; fails what waits and what is under way. */
  close(errorOf: (outcome: 'notSent' | 'unknown') => PublishError): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const outgoing of [...this.#underWay, ...this.drain()]) outgoing.fail(errorOf)
  }

  readonly #sendSoon = (): void => void this.#sendNext()

  async #sendNext(): Promise<void> {
    const batch = this.#nextBatch()
    this.#underWay = batch
    if (batch.length === 0) {
      this.#isBusy = false
      return
    }
    const { counts, onBatch, send } = this.#options
    onBatch()
    counts.batches += 1
    for (const outgoing of batch) if (outgoing.risk === 'none') outgoing.risk = 'underWay'
    try {
      await send(batch)
    } catch (error) {
      return this.#failed(batch, error)
    }
    this.#forgetFailures()
    counts.confirmed += batch.length
    for (const outgoing of batch) outgoing.confirm()
    // Whoever publishes again on a confirmation shares the next batch.
    setImmediate(this.#sendSoon)
  }

  #nextBatch(): readonly Outgoing[] {
    for (let batch = this.#again.shift(); batch !== undefined; batch = this.#again.shift()) {
      const alive = batch.filter(({ settled }) => !settled)
      if (alive.length > 0) return alive
    }
    return this.#queue.take(maxBatchCount, this.#maxBytes - batchOverhead)
  }

  async #failed(batch: readonly Outgoing[], cause: unknown): Promise<void> {
    const error =
      cause instanceof DriverError ? cause : new DriverError({ kind: 'other', message: 'Sending failed', cause })
    for (const outgoing of batch) {
      outgoing.lastError = error
      if (error.written === 'unknown') outgoing.risk = 'written'
      else if (outgoing.risk === 'underWay') outgoing.risk = 'none'
    }
    const alive = batch.filter(({ settled }) => !settled)
    if (error.kind === 'tooLarge' || error.kind === 'invalidRecord') {
      if (batch.length > 1) {
        this.#divide(batch, error)
        return this.#sendNext()
      }
      // The one at fault: batches were not too large as such.
      this.#maxBytes = this.#options.maxBatchBytes
    }
    if (this.#isFinal(error)) {
      this.#forgetFailures()
      this.#options.counts.refused += alive.length
      for (const record of alive) record.fail((outcome) => this.#options.refusal(error, { outcome, record }))
      return this.#sendNext()
    }
    await this.#repeat(alive, error)
  }

  async #repeat(batch: readonly Outgoing[], error: DriverError): Promise<void> {
    const { clock, counts, beforeRetry } = this.#options
    this.#failures += 1
    if (error.written === 'unknown') this.#copies += 1
    this.#underWay = []
    counts.resent += batch.length
    this.#again.unshift(batch)
    await beforeRetry(error)
    if (this.#closed) return
    const waitMs = fullJitter(this.#failures, backoffFor(error, backoff))
    const leastMs = this.#copies === 0 ? 0 : Math.min(firstCopyMs * 2 ** (this.#copies - 1), maxCopyMs)
    this.#timer = clock.schedule(Math.max(waitMs, leastMs), this.#sendSoon)
  }

  #forgetFailures(): void {
    this.#failures = 0
    this.#copies = 0
  }

  /** One message of the batch is at fault, or all together are too large: the others must not suffer. */
  #divide(batch: readonly Outgoing[], { kind }: DriverError): void {
    const alive = batch.filter(({ settled }) => !settled)
    if (alive.length > 0) this.#options.counts.divided += 1
    if (kind === 'invalidRecord') {
      this.#again.unshift(...alive.map((outgoing) => [outgoing]))
      return
    }
    const half = Math.ceil(alive.length / 2)
    this.#again.unshift(...[alive.slice(0, half), alive.slice(half)].filter(({ length }) => length > 0))
    // What was refused is all of it, also what nobody waits for any more.
    const bytes = batch.reduce((sum, outgoing) => sum + outgoing.bytes, 0)
    this.#maxBytes = Math.min(this.#maxBytes, Math.ceil(bytes / 2) + batchOverhead)
  }

  #isFinal(error: DriverError): boolean {
    // A topic that is gone is looked for again first; who has no right to it gets the answer at once.
    return error.kind !== 'unknownTopic' && !isOutage(error)
  }
}
