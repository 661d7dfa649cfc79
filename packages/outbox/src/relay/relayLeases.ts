import { fullJitter } from '@posthorn/core/adapter'
import type { TimerHandle } from '@posthorn/core/adapter'
import type { LeaseView } from '../ports.js'
import { HeldPartition } from './heldEntries.js'
import type { RelayWorld } from './relayWorld.js'

/** What the leases tell. */
export interface LeaseEvents {
  /** Unsent entries of the partition are to be forgotten: it is lost, or goes back. */
  onForget(partition: HeldPartition): void
  /** Leases are longer, or there are more. */
  onRenewed(view: LeaseView): void
  /** Something may be read that could not be before. */
  onGained(): void
}

/** Renewals in one length of a lease: two may fail before it ends. */
const renewalsPerLease = 3
const backoff = { firstMs: 100, maxMs: 1_000 }

/**
 * The partitions of this relay. What is above its share is drained and then given back; what another relay may own is lost
 * here at once, whatever is under way. Calls of the store follow each other, so that none undoes another.
 */
export class RelayLeases {
  readonly #world: RelayWorld
  readonly #events: LeaseEvents
  readonly #partitions = new Map<number, HeldPartition>()
  /** Lost ones where something is not settled. */
  readonly #former = new Map<number, HeldPartition>()
  #view: LeaseView = { leases: [], share: 0, relays: 0, nextDueMs: undefined }
  #turn: Promise<unknown> = Promise.resolve()
  #timer: TimerHandle | undefined
  #failures = 0
  #turns = 0
  #isGivingBack = false
  #isClosed = false

  constructor(world: RelayWorld, events: LeaseEvents) {
    this.#world = world
    this.#events = events
  }

  get partitions(): Iterable<HeldPartition> {
    return this.#partitions.values()
  }

  get count(): number {
    return this.#partitions.size
  }

  get view(): LeaseView {
    return this.#view
  }

  /** Renewals that have ended, whatever came of them. */
  get turns(): number {
    return this.#turns
  }

  /** Whether a partition is valid, or none is ours to have. */
  get isValid(): boolean {
    const now = this.#world.clock.monotonic()
    return this.#failures === 0 || [...this.#partitions.values()].some(({ validUntil }) => now < validUntil)
  }

  /** Renews now and from then on. Rejects when the first renewal fails. */
  renew(): Promise<void> {
    return this.#inTurn(() => this.#renew())
  }

  /** Something was released: perhaps the last of a partition that goes back. */
  onReleased(): void {
    const drained = [...this.#partitions.values()].filter(({ isDraining, heldCount }) => isDraining && heldCount === 0)
    if (drained.length === 0 || this.#isGivingBack) return
    this.#isGivingBack = true
    this.#inTurn(() => this.#giveBack())
      .finally(() => (this.#isGivingBack = false))
      .catch(() => {
        // They go back after the next renewal.
      })
  }

  /** Gives everything back, after what is under way. */
  leave(): Promise<void> {
    this.close()
    return this.#inTurn(() => this.#world.ask((store) => store.leave(this.#world.name)))
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  async #renew(): Promise<void> {
    const world = this.#world
    const { leaseMs, marginMs } = world.options
    this.#timer?.cancel()
    const startedAt = world.clock.monotonic()
    try {
      const view = await world.ask((store) => store.renew(world.name, leaseMs))
      this.#failures = 0
      // Measured before the call: the database's lease began later, and ends later.
      if (!this.#isClosed) this.#apply(view, startedAt + leaseMs - marginMs)
    } catch (error) {
      this.#failures += 1
      const facts = { event: 'relay.renew', failures: this.#failures, err: error }
      world.logger.warn(facts, 'The leases could not be renewed; trying again')
      throw error
    } finally {
      this.#turns += 1
      const delayMs = this.#failures > 0 ? 1 + fullJitter(this.#failures, backoff) : leaseMs / renewalsPerLease
      if (!this.#isClosed) this.#arm(delayMs)
    }
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#world.clock.schedule(delayMs, () => {
      this.renew().catch(() => {
        // Told by the renewal itself, which has set the next.
      })
    })
  }

  #apply(view: LeaseView, validUntil: number): void {
    const now = this.#world.clock.monotonic()
    const couldRead = this.#countReadable(now)
    const fences = new Map(view.leases.map(({ partition, fence }) => [partition, fence]))
    const before = this.#partitions.size
    let lost = 0
    let gained = 0
    for (const held of this.#partitions.values()) {
      if (fences.get(held.partition) === held.fence) held.validUntil = validUntil
      else {
        this.#lose(held)
        if (!held.isGivenBack) lost += 1
      }
    }
    for (const lease of view.leases) {
      if (this.#partitions.has(lease.partition)) continue
      const former = this.#former.get(lease.partition)
      this.#partitions.set(lease.partition, new HeldPartition(lease, validUntil, former))
      gained += 1
    }
    this.#world.counts.leasesGained += gained
    this.#world.counts.leasesLost += lost
    this.#tell(view, { before, lost })
    this.#view = view
    this.#share(view.share)
    this.#events.onRenewed(view)
    if (gained > 0 || this.#countReadable(now) > couldRead) this.#events.onGained()
    this.onReleased()
  }

  #countReadable(now: number): number {
    return [...this.#partitions.values()].filter((held) => held.isReadable(now)).length
  }

  #lose(held: HeldPartition): void {
    held.isLost = true
    this.#partitions.delete(held.partition)
    this.#former.delete(held.partition)
    const unsettled = held.unsettled
    if (unsettled !== undefined) this.#former.set(held.partition, unsettled)
    this.#events.onForget(held)
  }

  #tell({ share, relays }: LeaseView, { before, lost }: { before: number; lost: number }): void {
    const count = this.#partitions.size
    const { logger } = this.#world
    if (lost > 0) {
      const facts = { event: 'relay.leasesLost', count, share, relays, lost }
      logger.warn(facts, 'Leases ran out; what was under way may be published twice')
    } else if (count !== before) {
      logger.info({ event: 'relay.leases', count, share, relays }, 'The relay has more partitions')
    }
  }

  /** Chooses what goes back: what must go anyway, what is drained already, then what has the least under way. */
  #share(share: number): void {
    const all = [...this.#partitions.values()]
    const order = ({ isGivenBack, isDraining, heldCount }: HeldPartition): number =>
      isGivenBack ? -2 : isDraining ? -1 : heldCount
    const excess = Math.max(all.length - share, 0)
    const leaving = new Set(all.sort((a, b) => order(a) - order(b)).slice(0, excess))
    for (const held of all) {
      const wasDraining = held.isDraining
      held.isDraining = leaving.has(held) || held.isGivenBack
      if (held.isDraining && !wasDraining) this.#events.onForget(held)
    }
  }

  async #giveBack(): Promise<void> {
    const drained = [...this.#partitions.values()].filter(({ isDraining, heldCount }) => isDraining && heldCount === 0)
    if (drained.length === 0) return
    const world = this.#world
    const leases = drained.map(({ partition, fence }) => ({ partition, fence }))
    for (const held of drained) held.isGivenBack = true
    await world.ask((store) => store.giveBack(world.name, leases))
    for (const held of drained) this.#partitions.delete(held.partition)
    const facts = { event: 'relay.leases', count: this.#partitions.size, share: this.#view.share, given: leases.length }
    world.logger.info(facts, 'Partitions went to another relay')
  }

  #inTurn<Value>(step: () => Promise<Value>): Promise<Value> {
    const result = this.#turn.then(step)
    this.#turn = result.catch(() => {})
    return result
  }
}
