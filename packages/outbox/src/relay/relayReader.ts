import { fullJitter } from '@posthorn/core/adapter'
import type { TimerHandle } from '@posthorn/core/adapter'
import { keyOf } from '../keyOf.js'
import type { OutboxEntry, ReadRequest } from '../ports.js'
import { HeldEntry, KeyLane } from './heldEntries.js'
import type { HeldPartition } from './heldEntries.js'
import type { RelaySender } from './relaySender.js'
import type { RelayWorld } from './relayWorld.js'

/** Between two reads of less than a quarter of what may be held: slow keys free places one by one. */
const smallReadMs = 10
/** A key of which so little is held is never left out: that would cost more than the places. */
const smallestShare = 1 / 64
/** A key that cannot send what is held within this time is slow, and no longer waited for by others of its partition. */
const slowMs = 100
/** A look behind a long backlog of keys that are left out takes the database long: at most one sixth of the time. */
const longReadMs = 10
const longReadPause = 5
const backoff = { firstMs: 100, maxMs: 5_000 }

/** One read under way. */
interface Reading {
  readonly generations: ReadonlyMap<HeldPartition, number>
  /** Keys whose entries were forgotten since: what comes now may lack those in front. */
  readonly forgotten: Map<HeldPartition, Set<string>>
}

/**
 * Reads what is there, never from an id on: what is held is left out by name. One read at a time, at once when there may be
 * more and room for it, and at the latest after `pollIntervalMs`.
 */
export class RelayReader {
  readonly #world: RelayWorld
  readonly #sender: RelaySender
  readonly #partitions: () => Iterable<HeldPartition>
  #reading: Reading | undefined
  #current: Promise<number> | undefined
  #isWanted = false
  #failures = 0
  #turns = 0
  #readAt = -Infinity
  #perPartition = 16
  #pollTimer: TimerHandle | undefined
  #soonTimer: TimerHandle | undefined
  #soonAt = Infinity
  #isClosed = false

  constructor(world: RelayWorld, sender: RelaySender, partitions: () => Iterable<HeldPartition>) {
    this.#world = world
    this.#sender = sender
    this.#partitions = partitions
  }

  /** Reads that have ended, whatever came of them. */
  get turns(): number {
    return this.#turns
  }

  /** Reads now, or when there is room. */
  request(): void {
    this.#isWanted = true
    this.onRoom()
  }

  /** Reads after a while; the earliest wish counts. */
  requestIn(delayMs: number): void {
    if (delayMs <= 0) {
      this.request()
      return
    }
    const { clock } = this.#world
    const at = clock.monotonic() + delayMs
    if (at >= this.#soonAt || this.#isClosed) return
    this.#soonTimer?.cancel()
    this.#soonAt = at
    this.#soonTimer = clock.schedule(delayMs, () => {
      this.#soonAt = Infinity
      this.request()
    })
  }

  /** Places became free, or what kept from reading is over. */
  onRoom(): void {
    if (!this.#isWanted || this.#current !== undefined || this.#world.isStopping) return
    const room = this.#room
    if (room <= 0) return
    const restMs = this.#readAt + this.#pauseMs(room) - this.#world.clock.monotonic()
    if (restMs > 0) this.requestIn(restMs)
    else if (this.#sender.checkTransport()) void this.readNow()
  }

  /** The key's entries were forgotten: what a read brings now may lack those in front. */
  forgotten(lane: KeyLane): void {
    if (this.#reading === undefined) return
    const keys = this.#reading.forgotten.get(lane.owner)
    if (keys === undefined) this.#reading.forgotten.set(lane.owner, new Set([lane.key]))
    else keys.add(lane.key)
  }

  /** One read, whatever the room; resolves with how many entries it gave. Never rejects. */
  async readNow(): Promise<number> {
    while (this.#current !== undefined) await this.#current
    this.#current = this.#read()
    const count = await this.#current
    this.#turns += 1
    this.#current = undefined
    this.onRoom()
    return count
  }

  async #read(): Promise<number> {
    const world = this.#world
    this.#isWanted = false
    this.#armPoll()
    const now = world.clock.monotonic()
    const partitions = [...this.#partitions()].filter(
      (partition) => partition.isReadable(now) && !this.#isHot(partition, now),
    )
    if (partitions.length === 0) return 0
    const generations = new Map(partitions.map((partition) => [partition, partition.generation]))
    const reading: Reading = { generations, forgotten: new Map() }
    this.#reading = reading
    const request = this.#requestFor(partitions)
    let count = 0
    try {
      const entries = await world.ask((store) => store.read(request))
      count = entries.length
      world.counts.reads += 1
      this.#failures = 0
      if (!world.isStopping) this.#accept(entries, reading)
      if (this.#mayHaveMore(entries, request)) this.#isWanted = true
    } catch (error) {
      this.#failures += 1
      this.#isWanted = true
      const facts = { event: 'relay.read', failures: this.#failures, err: error }
      world.logger.warn(facts, 'The outbox could not be read; trying again')
    }
    this.#reading = undefined
    this.#readAt = world.clock.monotonic()
    const lastedMs = this.#readAt - now
    if (this.#failures > 0) this.#readAt += 1 + fullJitter(this.#failures, backoff)
    else if (request.exceptKeys.length > 0 && lastedMs > longReadMs) this.#readAt += lastedMs * longReadPause
    return count
  }

  close(): void {
    this.#isClosed = true
    this.#pollTimer?.cancel()
    this.#soonTimer?.cancel()
  }

  /** Large reads follow each other at once; small ones, of places that slow keys free one by one, do not. */
  #pauseMs(room: number): number {
    return room < this.#world.options.maxInFlight / 4 ? smallReadMs : 0
  }

  get #room(): number {
    const { held, options } = this.#world
    const { maxInFlight, maxInFlightBytes } = options
    if (held.bytes >= maxInFlightBytes) return 0
    const { waitingCount, maxWaiting } = this.#sender
    return Math.min(maxInFlight, maxWaiting - waitingCount) - held.count
  }

  #armPoll(): void {
    this.#pollTimer?.cancel()
    if (this.#isClosed) return
    this.#pollTimer = this.#world.clock.schedule(this.#world.options.pollIntervalMs, () => this.request())
  }

  #requestFor(partitions: readonly HeldPartition[]): ReadRequest {
    const { name, held, options } = this.#world
    const room = Math.max(this.#room, 1)
    // Never more of one partition than one key of it may hold: the rest would be read for nothing.
    const most = Math.ceil(room / 2)
    return {
      relay: name,
      leases: partitions.map(({ partition, fence }) => ({ partition, fence })),
      except: [...held.all],
      exceptKeys: partitions.flatMap(({ lanes }) => [...lanes.values()].filter(({ isClosed }) => isClosed)),
      maxCount: room,
      maxCountPerPartition: Math.min(Math.max(this.#perPartition, Math.ceil(room / partitions.length)), most),
      maxBytes: Math.max(options.maxInFlightBytes - held.bytes, 1),
    }
  }

  #accept(entries: readonly OutboxEntry[], { generations, forgotten }: Reading): void {
    const owners = new Map([...generations.keys()].map((owner) => [owner.partition, owner]))
    for (const entry of entries) {
      const owner = owners.get(entry.partition)
      if (owner === undefined || owner.isLost || owner.isDraining) continue
      const key = keyOf(entry)
      if (owner.generation !== generations.get(owner) || forgotten.get(owner)?.has(key) === true) continue
      this.#hold(entry, owner.lanes.get(key) ?? new KeyLane(owner, key))
    }
  }

  /**
   * Whether a key of it holds all that it may and is not slow: more of it is wanted in a moment. Until then the partition is
   * left out, since to look behind such a key the database would have to pass all of its backlog.
   */
  #isHot({ lanes }: HeldPartition, now: number): boolean {
    let isHot = false
    for (const { isClosed, closedSince } of lanes.values()) {
      const slowInMs = closedSince + slowMs - now
      if (!isClosed || slowInMs <= 0) continue
      isHot = true
      this.requestIn(slowInMs)
    }
    return isHot
  }

  /** A key may hold as much as is free: then many slow keys together still leave something for the others. */
  #hold(entry: OutboxEntry, lane: KeyLane): void {
    if (lane.isClosed) return
    const { clock, options } = this.#world
    const most = Math.max(this.#room, options.maxInFlight * smallestShare, 1)
    if (lane.unsent.length + lane.inFlightCount >= most) {
      lane.close(Math.floor(lane.unsent.length / 2), clock.monotonic())
      return
    }
    lane.owner.lanes.set(lane.key, lane)
    const held = new HeldEntry(entry, lane)
    this.#world.held.add(held)
    lane.add(held)
    this.#sender.pump(lane)
  }

  /** Whether a limit has ended the read. Adapts how much is asked of each partition: few may be busy, or all. */
  #mayHaveMore(entries: readonly OutboxEntry[], request: ReadRequest): boolean {
    const { maxCount, maxCountPerPartition, maxBytes } = request
    const counts = new Map<number, number>()
    let bytes = 0
    for (const { partition, message } of entries) {
      counts.set(partition, (counts.get(partition) ?? 0) + 1)
      bytes += message.body?.length ?? 0
    }
    const isFull = entries.length >= maxCount
    const isCut = Math.max(0, ...counts.values()) >= maxCountPerPartition
    if (isFull) this.#perPartition = Math.max(Math.ceil(maxCountPerPartition / 2), 1)
    else if (isCut) this.#perPartition = maxCountPerPartition * 4
    return isFull || isCut || bytes >= maxBytes / 2
  }
}
