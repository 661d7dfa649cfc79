import type { TimerHandle } from '@posthorn/core/adapter'
import type { ConsumerEvents, ConsumerOptions, DriverSettings } from '../driver.js'
import { DriverError, isPassing } from '../driverError.js'
import type { Cluster, TopicFacts } from './cluster.js'
import { decodeRecords } from './fetchedRecords.js'
import { fetchApi } from './fetchRequest.js'
import type { FetchAnswer, FetchedPartition } from './fetchRequest.js'
import { earliest, readCommitted, readLogEnds } from './platformaticAdmin.js'
import { errorOfCode, toDriverError } from './platformaticErrors.js'

export interface FetcherParts {
  readonly cluster: Cluster
  readonly options: ConsumerOptions
  readonly settings: DriverSettings
  readonly partitions: readonly number[]
  /** Belongs to the consumer: what is paused stays so over generations. */
  readonly paused: ReadonlySet<number>
  readonly events: Pick<ConsumerEvents, 'fetched' | 'reset' | 'alive'>
  /** The topic is told anew: whoever leads the group looks at the number of partitions. */
  readonly onTopic: (facts: TopicFacts) => void
  readonly onFailure: (error: DriverError) => void
}

/** Longest poll. */
const maxWaitMs = 250
/** Of the second request to a broker, for what became free while the first one waits. */
const secondWaitMs = 50
/** More than two requests at a time would only wait for each other. */
const maxRequests = 2
const maxFetchBytes = 4 * 1024 * 1024
/** Looks whether something can be fetched that nobody has told. */
const idleMs = 500
const backoffMs = 200

/** By Kafka's numbers: https://kafka.apache.org/protocol#protocol_error_codes */
const offsetOutOfRange = 1
const topicGone: ReadonlySet<number> = new Set([3, 100, 103])

/** One partition while it is ours. */
interface Place {
  readonly partition: number
  /** Undefined while it is not known where to begin. */
  offset: number | undefined
  /** Of the last batch that was read; -1 when the one before `offset` was not. */
  lastEpoch: number
  /** Changes when what is being fetched is not wanted any more. */
  version: number
  isRequested: boolean
  /** Somebody takes a batch. */
  isTaken: boolean
  /** Those who wait longest come first: a fetch ends with its bytes. */
  turn: number
}

/**
 * Fetches the partitions of one generation, from each leader with at most two requests at a time, the next one as soon
 * as something can be fetched. Nobody's hand-over holds up another partition.
 */
export class PartitionFetcher {
  readonly #parts: FetcherParts
  readonly #places: ReadonlyMap<number, Place>
  /** The lanes in use, by broker. */
  readonly #requests = new Map<number, Set<number>>()
  #facts: TopicFacts | undefined
  #refreshing: Promise<void> | undefined
  #refreshedAt = 0
  #turn = 0
  #timer: TimerHandle | undefined
  #stopped = false

  constructor(parts: FetcherParts) {
    this.#parts = parts
    this.#places = new Map(
      parts.partitions.map((partition) => [
        partition,
        { partition, offset: undefined, lastEpoch: -1, version: 0, isRequested: false, isTaken: false, turn: 0 },
      ]),
    )
  }

  start(): void {
    void this.#keep(async () => {
      await this.#refresh()
      await this.#begin(await this.#committed())
    })
    this.#tick()
  }

  seek(partition: number, offset: number): void {
    const place = this.#places.get(partition)
    if (place === undefined) return
    place.version += 1
    place.offset = offset
    place.lastEpoch = -1
    this.dispatch()
  }

  /** Something may be fetched that could not before. */
  dispatch(): void {
    const facts = this.#facts
    if (this.#stopped || facts === undefined) return
    const byLeader = new Map<number, Place[]>()
    for (const place of this.#places.values()) {
      const leader = facts.partitions.get(place.partition)?.leader ?? -1
      if (leader < 0 || !this.#isFetchable(place)) continue
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), place])
    }
    for (const [leader, places] of byLeader) this.#request(leader, places, facts)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #isFetchable({ partition, offset, isRequested, isTaken }: Place): boolean {
    return offset !== undefined && !isRequested && !isTaken && !this.#parts.paused.has(partition)
  }

  #request(leader: number, places: readonly Place[], facts: TopicFacts): void {
    const lanes = this.#requests.get(leader) ?? new Set<number>()
    this.#requests.set(leader, lanes)
    if (lanes.size >= maxRequests) return
    const lane = lanes.has(0) ? 1 : 0
    lanes.add(lane)
    const wanted = places.toSorted((a, b) => a.turn - b.turn).map((place) => ({ place, version: place.version }))
    for (const place of places) place.isRequested = true
    void this.#fetch(wanted, { leader, lane, facts })
      .catch((error: unknown) => this.#failed(toDriverError(error, `Fetching from ${this.#parts.options.topic}`)))
      .finally(() => {
        lanes.delete(lane)
        for (const place of places) place.isRequested = false
        this.dispatch()
      })
  }

  async #fetch(
    wanted: readonly { readonly place: Place; readonly version: number }[],
    { leader, lane, facts }: { readonly leader: number; readonly lane: number; readonly facts: TopicFacts },
  ): Promise<void> {
    const { cluster, options } = this.#parts
    const partitions = wanted.map(({ place: { partition, offset, lastEpoch } }) => ({
      partition,
      offset: offset!,
      lastEpoch,
      leaderEpoch: facts.partitions.get(partition)?.leaderEpoch ?? -1,
    }))
    const answer: FetchAnswer = await cluster.linkTo(leader, `fetch-${lane}`).request(fetchApi, [
      {
        topicId: facts.id,
        partitions,
        maxWaitMs: lane === 0 ? maxWaitMs : secondWaitMs,
        maxBytes: Math.max(maxFetchBytes, options.maxPartitionFetchBytes),
        maxPartitionBytes: options.maxPartitionFetchBytes,
      },
    ])
    if (this.#stopped) return
    this.#parts.events.alive()
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, `Fetching from ${options.topic}`)
    await this.#take(answer, new Map(wanted.map(({ place, version }) => [place.partition, { place, version }])))
  }

  async #take(
    { partitions }: FetchAnswer,
    wanted: ReadonlyMap<number, { readonly place: Place; readonly version: number }>,
  ): Promise<void> {
    let refused: DriverError | undefined
    for (const fetched of partitions) {
      const { place, version } = wanted.get(fetched.partition) ?? {}
      // Sought elsewhere, or paused since.
      if (place === undefined || place.version !== version || this.#parts.paused.has(place.partition)) continue
      if (fetched.errorCode === offsetOutOfRange) this.#restart(place)
      else if (fetched.errorCode !== 0) refused = this.#refused(fetched.errorCode)
      else if (fetched.cutAt !== undefined && fetched.cutAt >= 0) this.#cut(place, fetched.cutAt)
      else this.#deliver(place, fetched)
    }
    if (refused !== undefined) throw refused
  }

  #deliver(place: Place, { partition, records, aborted }: FetchedPartition): void {
    if (records === null || records.length === 0) return
    const decoded = decodeRecords(records, place.offset!, aborted)
    if (decoded === undefined) return
    place.offset = decoded.nextOffset
    place.lastEpoch = decoded.leaderEpoch
    place.turn = ++this.#turn
    const taken = this.#handOver(partition, decoded)
    if (taken === undefined) return
    place.isTaken = true
    void taken.finally(() => {
      place.isTaken = false
      this.dispatch()
    })
  }

  #handOver(
    partition: number,
    {
      records,
      nextOffset,
    }: { readonly records: Parameters<ConsumerEvents['fetched']>[0]['records']; readonly nextOffset: number },
  ): Promise<void> | undefined {
    const { events, settings, options } = this.#parts
    const notTaken = (err: unknown): void =>
      settings.logger.error({ event: 'kafka.batch', topic: options.topic, err }, 'A batch could not be taken')
    try {
      const taken = events.fetched({ partition, records, nextOffset })
      return taken === undefined ? undefined : taken.catch(notTaken)
    } catch (err) {
      notTaken(err)
      return undefined
    }
  }

  /** What is there does not begin or end where we thought: from its beginning, and it is said. */
  #restart(place: Place): void {
    place.version += 1
    place.offset = undefined
    this.#parts.events.reset(place.partition)
    void this.#keep(() => this.#begin(new Map()))
  }

  #cut(place: Place, offset: number): void {
    place.version += 1
    place.offset = offset
    place.lastEpoch = -1
    this.#parts.events.reset(place.partition)
  }

  #refused(errorCode: number): DriverError {
    const { topic } = this.#parts.options
    const error = errorOfCode(errorCode, `Fetching from ${topic}`)
    if (!topicGone.has(errorCode)) return error
    // Whether it is gone for good, only the metadata can tell.
    return new DriverError({ kind: 'unavailable', message: error.message, cause: error })
  }

  /** Waits a little, and asks who leads now. Errors that do not pass end the consumer. */
  async #failed(error: DriverError): Promise<void> {
    if (this.#stopped) return
    if (!isPassing(error)) return this.#parts.onFailure(error)
    await this.#pause()
    await this.#keep(() => this.#refresh())
  }

  /** Repeats what can pass until it works or the generation is over. */
  async #keep(work: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        return await work()
      } catch (error) {
        const failure = toDriverError(error, `Fetching from ${this.#parts.options.topic}`)
        if (this.#stopped) return
        if (!isPassing(failure)) return this.#parts.onFailure(failure)
        await this.#pause()
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#parts.settings.clock.schedule(backoffMs, resolve, { background: true }))
  }

  async #committed(): Promise<ReadonlyMap<number, { readonly offset: number }>> {
    const { cluster, options } = this.#parts
    const partitions = [...this.#places.keys()]
    return partitions.length === 0
      ? new Map()
      : readCommitted(cluster, options.groupId, { topic: options.topic, partitions })
  }

  /** Where nothing is committed, the group begins with the first record that is there. */
  async #begin(committed: ReadonlyMap<number, { readonly offset: number }>): Promise<void> {
    const { cluster, options } = this.#parts
    const open = [...this.#places.values()].filter(({ offset }) => offset === undefined)
    for (const place of open) place.offset ??= committed.get(place.partition)?.offset
    const only = open.filter(({ offset }) => offset === undefined).map(({ partition }) => partition)
    const facts = this.#facts
    if (only.length > 0 && facts !== undefined) {
      const begins = await readLogEnds(cluster, { topic: options.topic, facts, end: earliest, only })
      for (const place of open) place.offset ??= begins.get(place.partition)
    }
    this.dispatch()
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#askForTopic().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  async #askForTopic(): Promise<void> {
    const { cluster, options, settings, onTopic } = this.#parts
    const facts = await cluster.topic(options.topic)
    if (this.#stopped) return
    const before = this.#facts
    this.#facts = facts
    this.#refreshedAt = settings.clock.monotonic()
    // Deleted and made anew: the offsets of the one before mean nothing.
    if (before !== undefined && before.id !== facts.id) for (const place of this.#places.values()) this.#restart(place)
    onTopic(facts)
    this.dispatch()
  }

  #tick(): void {
    const { options, settings } = this.#parts
    const { clock } = settings
    this.#timer = clock.schedule(idleMs, () => this.#tick(), { background: true })
    if (this.#facts === undefined) return
    const isIdle = [...this.#requests.values()].every(({ size }) => size === 0)
    if (isIdle) this.#parts.events.alive()
    if (clock.monotonic() - this.#refreshedAt > options.metadataMaxAgeMs) void this.#keep(() => this.#refresh())
    this.dispatch()
  }
}
