import { fullJitter, PublishError } from '@posthorn/core/adapter'
import type { Receipt, SendOptions, TimerHandle } from '@posthorn/core/adapter'
import type { HeldEntry, HeldPartition, KeyLane } from './heldEntries.js'
import { isOwnFailure } from './publishFailures.js'
import { createFailureReports } from './relayFailures.js'
import type { FailureReports } from './relayFailures.js'
import type { RelayWorld } from './relayWorld.js'
import { WaitingLanes } from './waitingLanes.js'

/** What the sender tells. */
export interface SenderEvents {
  onConfirmed(held: HeldEntry, isLast: boolean): void
  /** Entries of the lane were forgotten without being sent. */
  onForgotten(lane: KeyLane): void
  onReleased(entries: readonly HeldEntry[]): void
  /** There may be something to read, at once or after a while. */
  onMore(delayMs: number): void
  /** A send of a partition that was lost is settled, or a failure told. */
  onLostSettled(): void
}

const outageFirstMs = 100
const outageMaxMs = 10_000
/** The more keys wait, the longer each: all together they try no more often than about 200 times a second. */
const outageMaxMsPerKey = 10
/** So many keys wait per place of `maxInFlight`. Each is named in every read, so there has to be an end. */
const waitingFactor = 10
const leastWaiting = 1_000
const crowdedShare = 0.9
/** Of each that its destination takes after all, as many others follow at once: all of them within a few rounds. */
const wokenByOne = 2
/** Between two looks whether the transport is back: its health costs nothing. */
const readyCheckMs = 200

/**
 * Sends what is held: keys beside each other, the entries of one key one after the other. Whatever becomes of an entry, it is
 * confirmed, or forgotten together with all behind it, to be read again.
 */
export class RelaySender {
  readonly #world: RelayWorld
  readonly #events: SenderEvents
  readonly #reports: FailureReports
  readonly #waiting: WaitingLanes
  #inFlightCount = 0
  #readyTimer: TimerHandle | undefined
  #partitions: () => Iterable<HeldPartition>

  constructor(world: RelayWorld, events: SenderEvents, partitions: () => Iterable<HeldPartition>) {
    this.#world = world
    this.#events = events
    this.#partitions = partitions
    this.#reports = createFailureReports(world)
    this.#waiting = new WaitingLanes(world.clock, (lanes) => this.#reopen(lanes))
  }

  get inFlightCount(): number {
    return this.#inFlightCount
  }

  /** Keys that wait for their destination; nothing of them is held. */
  get waitingCount(): number {
    return this.#waiting.count
  }

  /** With so many keys that wait, nothing else is read. */
  get maxWaiting(): number {
    return Math.max(this.#world.options.maxInFlight * waitingFactor, leastWaiting)
  }

  /** About as many keys wait as may: little else is read. Some are always just being tried. */
  get isCrowded(): boolean {
    return this.#waiting.count >= this.maxWaiting * crowdedShare
  }

  /** The transport takes nothing now. */
  get isPaused(): boolean {
    return this.#readyTimer !== undefined
  }

  close(): void {
    this.#readyTimer?.cancel()
    this.#waiting.close()
  }

  /** Waits for the transport when it is not ready; whether it is. */
  checkTransport(): boolean {
    if (this.#readyTimer !== undefined) return false
    if (this.#world.isTransportReady) return true
    const { logger, transport } = this.#world
    logger.warn({ event: 'relay.paused', reasons: transport.health().reasons }, 'The transport is not ready; waiting')
    this.#awaitTransport()
    return false
  }

  pump(lane: KeyLane): void {
    const { maxInFlightPerKey } = this.#world.options
    while (lane.inFlightCount < maxInFlightPerKey && lane.unsent.length > 0 && this.#maySend(lane)) {
      this.#send(lane.unsent.shift() as HeldEntry)
    }
  }

  /** Sends what was held up: by a lease that is valid again, or by the transport. */
  pumpAll(): void {
    for (const { lanes } of this.#partitions()) for (const lane of lanes.values()) this.pump(lane)
  }

  /** Forgets what is not sent: the partition is lost, or goes back. */
  forget(partition: HeldPartition): void {
    partition.generation += 1
    for (const lane of partition.lanes.values()) {
      this.#waiting.remove(lane)
      lane.failures = 0
      this.#forgetUnsent(lane)
      this.#tidy(lane)
    }
  }

  #maySend({ owner, waitUntil, failingCount }: KeyLane): boolean {
    if (waitUntil > 0 || failingCount > 0 || owner.isLost || owner.isDraining) return false
    return !this.isPaused && !this.#world.isStopping && this.#world.clock.monotonic() < owner.validUntil
  }

  #send(held: HeldEntry): void {
    const { lane, entry } = held
    lane.inFlightCount += 1
    lane.owner.unsettledCount += 1
    this.#inFlightCount += 1
    // Past the end of the lease nothing of ours reaches the broker: the next owner may be sending.
    const options: SendOptions = { deadline: lane.owner.validUntil, mustRoute: entry.mustRoute }
    try {
      this.#world.transport.send({ destination: entry.destination }, entry.message, options).then(
        (receipt) => this.#settled(held, receipt, undefined),
        (error: unknown) => this.#settled(held, undefined, error ?? new Error('A send rejected with nothing')),
      )
    } catch (error) {
      this.#settled(held, undefined, error)
    }
  }

  #settled(held: HeldEntry, receipt: Receipt | undefined, error: unknown): void {
    const { lane } = held
    lane.inFlightCount -= 1
    lane.owner.unsettledCount -= 1
    this.#inFlightCount -= 1
    if (lane.owner.isLost) {
      // Confirmed or not: the next owner sends it again, and only that one may remove it.
      this.#release([held])
      this.#events.onLostSettled()
    } else if (receipt === undefined) this.#failed(held, error)
    else if (receipt.routed === false && held.entry.mustRoute) this.#failed(held, unrouted(held))
    else this.#confirmed(held, receipt)
  }

  #confirmed(held: HeldEntry, receipt: Receipt): void {
    const { lane } = held
    this.#world.counts.published += 1
    if (receipt.routed === false) this.#world.counts.unrouted += 1
    const hadFailed = lane.failures > 0
    lane.failures = 0
    this.pump(lane)
    this.#tidy(lane)
    this.#events.onConfirmed(held, this.#inFlightCount === 0)
    if (hadFailed) this.#waiting.wake(held.entry.destination, wokenByOne)
  }

  #failed(held: HeldEntry, error: unknown): void {
    this.#world.note(error)
    // While the broker is away, whatever the error says, no entry is to blame.
    if (isOwnFailure(error) && this.#world.isTransportReady) void this.#report(held, error)
    else {
      this.#world.counts.outages += 1
      this.#reports.outage(held, error)
      this.#putBack(held)
      this.checkTransport()
    }
  }

  /** The key waits, and meanwhile holds nothing: what takes no messages must not take the places of others. */
  #putBack(held: HeldEntry): void {
    const { lane } = held
    const isLeaving = this.#world.isStopping || lane.owner.isDraining
    lane.failures += 1
    if (!isLeaving) {
      const maxMs = Math.max(outageMaxMs, this.#waiting.count * outageMaxMsPerKey)
      const delayMs = 1 + fullJitter(lane.failures, { firstMs: outageFirstMs, maxMs })
      this.#waiting.add(lane, held.entry.destination, delayMs)
    }
    this.#forgetUnsent(lane, held)
    if (!isLeaving) return
    // Nothing is known of it any more: should the partition stay after all, the key is read like any other.
    lane.failures = 0
    this.#tidy(lane)
  }

  /** Keys have waited, and are read again. */
  #reopen(lanes: readonly KeyLane[]): void {
    for (const lane of lanes) lane.isClosed = false
    this.#events.onMore(0)
  }

  async #report(held: HeldEntry, error: unknown): Promise<void> {
    const { lane } = held
    lane.failingCount += 1
    lane.owner.unsettledCount += 1
    lane.close(0)
    const retryAfterMs = await this.#reports.own(held, error)
    lane.failingCount -= 1
    lane.owner.unsettledCount -= 1
    if (lane.owner.isLost) {
      this.#release([held])
      this.#events.onLostSettled()
    } else if (retryAfterMs === undefined) {
      // The store could not be told: it is sent, and fails, once more.
      this.#putBack(held)
    } else {
      this.#forgetUnsent(lane, held)
      if (retryAfterMs !== Infinity) this.#events.onMore(retryAfterMs + 1)
      lane.failures = 0
      this.#tidy(lane)
    }
  }

  /** Forgets what is not sent, behind one that failed; nothing of the key is read until that is done with. */
  #forgetUnsent(lane: KeyLane, ...failed: readonly HeldEntry[]): void {
    const forgotten = [...failed, ...lane.unsent.splice(0)]
    lane.close(0)
    this.#events.onForgotten(lane)
    this.#release(forgotten)
  }

  /** Opens a lane that has room again, and drops one that has nothing to do. */
  #tidy(lane: KeyLane): void {
    const isBusy = lane.failures > 0 || lane.failingCount > 0 || lane.waitUntil > 0
    if (isBusy || lane.unsent.length > lane.reopensAt) return
    const wasClosed = lane.isClosed
    lane.isClosed = false
    if (lane.unsent.length === 0 && lane.inFlightCount === 0) lane.owner.lanes.delete(lane.key)
    if (wasClosed) this.#events.onMore(0)
  }

  #release(entries: readonly HeldEntry[]): void {
    const released = entries.filter((held) => this.#world.held.release(held))
    if (released.length > 0) this.#events.onReleased(released)
  }

  #awaitTransport(): void {
    this.#readyTimer = this.#world.clock.schedule(readyCheckMs, () => {
      if (this.#world.isTransportReady) {
        this.#readyTimer = undefined
        this.#world.logger.info({ event: 'relay.resumed' }, 'The transport is ready again')
        this.pumpAll()
        this.#events.onMore(0)
      } else this.#awaitTransport()
    })
  }
}

function unrouted({ entry }: HeldEntry): PublishError {
  const message = `Nobody listens for the command ${entry.message.type} on ${entry.destination}`
  return new PublishError({ code: 'POSTHORN_PUBLISH_UNROUTED', message, outcome: 'notSent' })
}
