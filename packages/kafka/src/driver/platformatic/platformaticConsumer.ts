import { fullJitter } from '@posthorn/core/adapter'
import type { TimerHandle } from '@posthorn/core/adapter'
import { byDeadline, pauseFor } from '../../byDeadline.js'
import { DriverError, isPassing } from '../driverError.js'
import type { ConsumerEvents, ConsumerOptions, DriverConsumer, DriverSettings, OffsetToCommit } from '../driver.js'
import { createCluster } from './cluster.js'
import type { Cluster } from './cluster.js'
import { GroupMember } from './groupMember.js'
import type { Beat, Joined } from './groupMember.js'
import { PartitionFetcher } from './partitionFetcher.js'
import { toDriverError } from './platformaticErrors.js'

/** More failures in a row than this are told: whoever made the consumer knows what to do about it. */
const maxFailures = 8
const backoff = { firstMs: 100, maxMs: 1_000 }

/**
 * A consumer on the client's single requests; its own consumer and its stream join, fetch and commit when they think
 * fit. Here a generation ends only when we say so: what is in flight is worked off first.
 */
class PlatformaticConsumer implements DriverConsumer {
  readonly #options: ConsumerOptions
  readonly #events: ConsumerEvents
  readonly #settings: DriverSettings
  readonly #cluster: Cluster
  readonly #member: GroupMember
  readonly #paused = new Set<number>()
  readonly #ending = new AbortController()
  #fetcher: PartitionFetcher | undefined
  #endGeneration: ((why: Exclude<Beat, 'alive'>) => void) | undefined
  #beating: Promise<Beat> | undefined
  #beatenAt = 0
  #timer: TimerHandle | undefined
  #joined: { resolve(): void; reject(error: DriverError): void } | undefined
  #stopping: Promise<void> | undefined
  #hasStarted = false

  constructor(options: ConsumerOptions, events: ConsumerEvents, settings: DriverSettings) {
    this.#options = options
    this.#events = events
    this.#settings = settings
    this.#cluster = createCluster(settings)
    this.#member = new GroupMember(this.#cluster, options, settings)
  }

  async start(): Promise<void> {
    const joined = new Promise<void>((resolve, reject) => (this.#joined = { resolve, reject }))
    if (this.#isOver) this.#joined?.reject(this.#ended())
    else {
      this.#hasStarted = true
      void this.#live()
    }
    await joined
  }

  pause(partitions: readonly number[]): void {
    for (const partition of partitions) this.#paused.add(partition)
  }

  resume(partitions: readonly number[]): void {
    for (const partition of partitions) this.#paused.delete(partition)
    this.#fetcher?.dispatch()
  }

  seek(partition: number, offset: number): void {
    this.#fetcher?.seek(partition, offset)
  }

  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    await this.#member.commit(offsets)
  }

  async heartbeat(): Promise<void> {
    const beat = await this.#beat()
    if (beat === 'alive') return
    throw new DriverError({ kind: 'membership', message: `${this.#options.groupId} rebalances` })
  }

  async stop(deadline: number): Promise<void> {
    this.#end()
    this.#joined?.reject(this.#ended())
    this.#stopping ??= this.#hasStarted ? this.#member.leave().catch(() => {}) : Promise.resolve()
    await byDeadline(this.#stopping, { clock: this.#settings.clock, deadline })
    this.#cluster.end()
  }

  get #isOver(): boolean {
    return this.#ending.signal.aborted
  }

  #end(): void {
    this.#ending.abort()
    this.#timer?.cancel()
    this.#fetcher?.stop()
    this.#endGeneration?.('lost')
  }

  async #live(): Promise<void> {
    for (let failures = 0; !this.#isOver;) {
      try {
        // Before anything else: without its topic a group would be joined for nothing.
        await this.#cluster.topic(this.#options.topic)
        const joined = await this.#member.join()
        if (this.#isOver) return
        failures = 0
        await this.#generation(joined)
      } catch (error) {
        const failure = toDriverError(error, `Joining ${this.#options.groupId}`)
        failures += 1
        if (!this.#mayPass(failure) || failures > maxFailures) return this.#fail(failure)
        await this.#wait(fullJitter(failures, backoff))
      }
    }
  }

  /** Who starts a consumer knows that there is such a topic: a broker that does not is behind with the cluster's metadata. */
  #mayPass(failure: DriverError): boolean {
    return isPassing(failure) || (failure.kind === 'unknownTopic' && this.#joined !== undefined)
  }

  /** Resolves when it is over and what was in flight is worked off. */
  async #generation({ partitions, sharedCount }: Joined): Promise<void> {
    const over = new Promise<Exclude<Beat, 'alive'>>((resolve) => (this.#endGeneration = resolve))
    const fetcher = new PartitionFetcher({
      cluster: this.#cluster,
      options: this.#options,
      settings: this.#settings,
      partitions,
      paused: this.#paused,
      events: this.#events,
      onTopic: ({ partitions: { size } }) => {
        // When the leader joins again, everybody does, and it shares the new ones.
        if (sharedCount !== undefined && size !== sharedCount) this.#endGeneration?.('rebalancing')
      },
      onFailure: (error) => this.#fail(error),
    })
    this.#fetcher = fetcher
    this.#beatenAt = this.#settings.clock.monotonic()
    this.#events.assigned(partitions)
    this.#joined?.resolve()
    this.#joined = undefined
    fetcher.start()
    this.#tick()
    const why = await over
    fetcher.stop()
    if (this.#isOver) return
    this.#events.rebalancing()
    if (why === 'rebalancing') await this.#drain()
    this.#timer?.cancel()
  }

  /** The members wait for us at the coordinator, so not longer than they do. */
  async #drain(): Promise<void> {
    const { clock } = this.#settings
    const deadline = clock.monotonic() + this.#options.rebalanceTimeoutMs
    await byDeadline(this.#events.drained(), { clock, deadline, signal: this.#ending.signal })
  }

  #tick(): void {
    const { clock } = this.#settings
    this.#timer?.cancel()
    if (this.#isOver) return
    this.#timer = clock.schedule(this.#options.heartbeatIntervalMs, () => this.#tick(), { background: true })
    // Nobody has heard of us for so long that others have what we had: after a pause of the whole process, too.
    if (clock.monotonic() - this.#beatenAt > this.#options.sessionTimeoutMs) this.#endGeneration?.('lost')
    else this.#beat().catch(() => {})
  }

  /** One at a time, whoever asks. */
  #beat(): Promise<Beat> {
    this.#beating ??= this.#beatOnce().finally(() => (this.#beating = undefined))
    return this.#beating
  }

  async #beatOnce(): Promise<Beat> {
    const { clock } = this.#settings
    const sentAt = clock.monotonic()
    try {
      const beat = await this.#member.heartbeat()
      if (beat !== 'lost') this.#beatenAt = sentAt
      if (beat !== 'alive') this.#endGeneration?.(beat)
      return beat
    } catch (error) {
      const failure = toDriverError(error, `Heartbeat of ${this.#options.groupId}`)
      // Another process has taken our name: joining again would take it back, for ever.
      if (!isPassing(failure) || isFenced(error)) this.#fail(failure)
      throw failure
    }
  }

  #fail(error: DriverError): void {
    if (this.#isOver) return
    this.#end()
    if (this.#joined !== undefined) this.#joined.reject(error)
    else this.#events.failed(error)
  }

  #wait(delayMs: number): Promise<void> {
    return pauseFor(delayMs, { clock: this.#settings.clock, deadline: Infinity, signal: this.#ending.signal })
  }

  #ended(): DriverError {
    return new DriverError({ kind: 'connection', message: `The consumer of ${this.#options.groupId} was stopped` })
  }
}

function isFenced(error: unknown): boolean {
  return error instanceof Error && (error.cause as { apiId?: unknown } | undefined)?.apiId === 'FENCED_INSTANCE_ID'
}

/** A consumer of one topic in one group, not started. */
export function createPlatformaticConsumer(
  options: ConsumerOptions,
  events: ConsumerEvents,
  settings: DriverSettings,
): DriverConsumer {
  return new PlatformaticConsumer(options, events, settings)
}
