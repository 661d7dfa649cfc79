import { fullJitter } from '@posthorn/core/adapter'
import type { BackoffOptions, Clock, PublishError, TimerHandle } from '@posthorn/core/adapter'
import { DriverError, isPassing } from './driver/driverError.js'
import type { OutgoingRecord } from './driver/driver.js'
import type { Outgoing } from './outgoing.js'

/** What a lane does with its partition. */
export interface LaneOptions {
  readonly maxBatchBytes: number
  readonly clock: Clock
  readonly send: (records: readonly OutgoingRecord[]) => Promise<void>
  /** The refusal of one message for good. */
  readonly refusal: (error: unknown, outcome: 'notSent' | 'unknown') => PublishError
  /** A send failed and will be repeated; asks whether that has become pointless. */
  readonly beforeRetry: (error: DriverError) => Promise<void>
  /** A batch has been taken off the queue: the next message without a key may go elsewhere. */
  readonly onBatch: () => void
}

/** More did not make batches cheaper when it was measured. */
const maxBatchCount = 500
/** Small enough for a leader that has just moved; the deadline of each message ends it. */
const backoff: BackoffOptions = { firstMs: 50, maxMs: 1_000 }
/** Too few replicas for longer than these waits, about a second, is more than a leader that moves. */
const maxReplicaFailures = 6

/**
 * One partition's way to the broker: at most one send at a time, which carries everything that has piled up behind the
 * one before. A failed batch goes again before anything younger, so that the order of a key holds.
 */
export class PartitionLane {
  readonly #options: LaneOptions
  #waiting: Outgoing[] = []
  #underWay: readonly Outgoing[] = []
  #sweepAt = 1_024
  #isBusy = false
  #failures = 0
  /** Learned from a topic that takes less than we thought. */
  #maxBytes: number
  /** So many messages go alone, to find the one that the broker does not take. */
  #singles = 0
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
    return !this.#isBusy && this.#waiting.every(({ settled }) => settled)
  }

  push(outgoing: Outgoing): void {
    if (this.#closed) return
    this.#waiting.push(outgoing)
    // What was given up while the broker is away is let go, without a search for each.
    if (this.#waiting.length >= this.#sweepAt) {
      this.#waiting = this.#waiting.filter(({ settled }) => !settled)
      this.#sweepAt = Math.max(1_024, this.#waiting.length * 2)
    }
    if (this.#isBusy) return
    this.#isBusy = true
    // Not at once: whatever is published in the same turn of the event loop shares the batch.
    setImmediate(() => void this.#sendNext())
  }

  /** Takes what waits, to be sent elsewhere. */
  drain(): Outgoing[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }

  /** Sends nothing more; fails what waits and what is under way. */
  close(errorOf: (outcome: 'notSent' | 'unknown') => PublishError): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const outgoing of [...this.#underWay, ...this.drain()]) outgoing.fail(errorOf)
  }

  async #sendNext(): Promise<void> {
    const batch = this.#nextBatch()
    this.#underWay = batch
    if (batch.length === 0) {
      this.#isBusy = false
      return
    }
    this.#options.onBatch()
    for (const outgoing of batch) if (outgoing.risk === 'none') outgoing.risk = 'underWay'
    try {
      await this.#options.send(batch.map(({ record }) => record))
      this.#failures = 0
      for (const outgoing of batch) outgoing.confirm()
      void this.#sendNext()
    } catch (error) {
      await this.#failed(batch, error)
    }
  }

  #nextBatch(): Outgoing[] {
    const batch: Outgoing[] = []
    const maxCount = this.#singles > 0 ? 1 : maxBatchCount
    let bytes = 0
    let taken = 0
    for (const outgoing of this.#waiting) {
      if (!outgoing.settled) {
        if (batch.length > 0 && bytes + outgoing.bytes > this.#maxBytes) break
        bytes += outgoing.bytes
        batch.push(outgoing)
      }
      taken += 1
      if (batch.length === maxCount) break
    }
    if (this.#singles > 0) this.#singles -= 1
    this.#waiting = this.#waiting.slice(taken)
    return batch
  }

  async #failed(batch: readonly Outgoing[], cause: unknown): Promise<void> {
    const error =
      cause instanceof DriverError ? cause : new DriverError({ kind: 'other', message: 'Sending failed', cause })
    for (const outgoing of batch) {
      if (error.written === 'unknown') outgoing.risk = 'written'
      else if (outgoing.risk === 'underWay') outgoing.risk = 'none'
    }
    const alive = batch.filter(({ settled }) => !settled)
    if (batch.length > 1 && (error.kind === 'tooLarge' || error.kind === 'invalidRecord')) {
      this.#divide(alive, error)
      return this.#sendNext()
    }
    this.#failures += 1
    if (this.#isFinal(error)) {
      this.#failures = 0
      for (const outgoing of alive) outgoing.fail((outcome) => this.#options.refusal(error, outcome))
      return this.#sendNext()
    }
    this.#underWay = []
    this.#waiting = [...alive, ...this.#waiting]
    await this.#options.beforeRetry(error)
    if (this.#closed) return
    this.#timer = this.#options.clock.schedule(fullJitter(this.#failures, backoff), () => void this.#sendNext())
  }

  /** One message of the batch is at fault, or all together are too large: the others must not suffer. */
  #divide(batch: readonly Outgoing[], error: DriverError): void {
    if (error.kind === 'invalidRecord') this.#singles = batch.length
    else this.#maxBytes = Math.floor(batch.reduce((sum, { bytes }) => sum + bytes, 0) / 2)
    this.#waiting = [...batch, ...this.#waiting]
  }

  #isFinal(error: DriverError): boolean {
    if (error.kind === 'tooFewReplicas') return this.#failures >= maxReplicaFailures
    // A topic that is gone is looked for again first; who has no right to it gets the answer at once.
    return error.kind !== 'unknownTopic' && !isPassing(error)
  }
}
