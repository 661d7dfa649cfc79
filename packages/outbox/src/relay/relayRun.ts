import { createProgressWatch } from '@posthorn/core/adapter'
import type { ProgressWatch } from '@posthorn/core/adapter'
import type { HeldEntry } from './heldEntries.js'
import { RelayLeases } from './relayLeases.js'
import { RelayListener } from './relayListener.js'
import { RelayReader } from './relayReader.js'
import { RelayRemover } from './relayRemover.js'
import { RelaySchedule } from './relaySchedule.js'
import { RelaySender } from './relaySender.js'
import { RelayStats } from './relayStats.js'
import type { RelayWorld } from './relayWorld.js'

/**
 * A relay that runs: leases → reader → sender → remover, each in a file of its own, and here what one tells the others.
 */
export class RelayRun {
  readonly world: RelayWorld
  readonly leases: RelayLeases
  readonly sender: RelaySender
  readonly listener: RelayListener
  readonly stats: RelayStats
  readonly #reader: RelayReader
  readonly #remover: RelayRemover
  readonly #schedule: RelaySchedule
  readonly #watches: readonly ProgressWatch[]
  #quiet: (() => void)[] = []

  constructor(world: RelayWorld) {
    this.world = world
    const partitions = (): RelayLeases['partitions'] => this.leases.partitions
    const onReleased = (entries: readonly HeldEntry[]): void => this.#released(entries)
    this.leases = new RelayLeases(world, {
      onForget: (partition) => this.sender.forget(partition),
      onRenewed: ({ nextDueMs }) => {
        this.#schedule.plan(nextDueMs)
        this.sender.pumpAll()
      },
      onGained: () => this.#reader.request(),
    })
    const sender = {
      onConfirmed: (held: HeldEntry, isLast: boolean) => this.#remover.add(held, isLast),
      onForgotten: (lane: HeldEntry['lane']) => this.#reader.forgotten(lane),
      onMore: (delayMs: number) => this.#reader.requestIn(delayMs),
      onLostSettled: () => this.#reader.request(),
      onReleased,
    }
    this.sender = new RelaySender(world, sender, partitions)
    this.#remover = new RelayRemover(world, {
      onReleased: (entries) => {
        for (const held of entries) world.held.release(held)
        onReleased(entries)
      },
    })
    this.#reader = new RelayReader(world, this.sender, partitions)
    this.listener = new RelayListener(world, () => this.#reader.request())
    this.#schedule = new RelaySchedule(world, {
      leases: () => [...this.leases.partitions].map(({ partition, fence }) => ({ partition, fence })),
      onReleased: () => this.#reader.request(),
      renew: () => void this.leases.renew().catch(() => {}),
    })
    this.stats = new RelayStats(world)
    this.#watches = [
      this.#watch(
        () => this.leases.turns,
        () => false,
      ),
      // Only a database that answers and a broker that takes messages leave no excuse.
      this.#watch(
        () => this.#turns,
        () => !world.isTransportReady || !this.leases.isValid,
      ),
    ]
  }

  /** One of its loops has not turned for too long, though all that it needs is there. */
  get standsStill(): boolean {
    return this.#watches.some(({ standsStill }) => standsStill)
  }

  #watch(progress: () => number, isExcused: () => boolean): ProgressWatch {
    const { clock, logger, options } = this.world
    return createProgressWatch({
      clock,
      limitMs: limitOf(options),
      progress,
      isExcused: () => this.world.isStopping || isExcused(),
      onStandstill: (standstillMs) =>
        logger.error({ event: 'relay.standstill', standstillMs }, 'The relay stands still: health().live is false'),
    })
  }

  /** Grows whenever something was read, sent or removed, whatever came of it. */
  get #turns(): number {
    const { published, failed, outages } = this.world.counts
    return this.#reader.turns + this.#remover.turns + published + failed + outages
  }

  /** Resolves when the relay has asked for its partitions and begun to read. */
  async start(): Promise<void> {
    const { partitionCount } = await this.world.ask((store) => store.prepare())
    // Somebody has given up waiting for the start: nothing may begin again behind the end.
    if (this.world.isStopping) return
    await this.leases.renew()
    if (this.world.isStopping) return
    for (const watch of this.#watches) watch.start()
    void this.listener.listen()
    void this.stats.look()
    this.#reader.request()
    const facts = { event: 'relay.started', relay: this.world.name, leases: this.leases.count, partitionCount }
    this.world.logger.info(facts, 'The relay runs')
  }

  /** Reads as soon as it can. */
  wake(): void {
    this.#reader.request()
  }

  /** Relays what is there now; resolves when nothing is left but keys that wait or are parked. */
  async runOnce(): Promise<void> {
    await this.leases.renew()
    await this.#schedule.release()
    let count: number
    do {
      count = await this.#reader.readNow()
      await this.#quieted()
    } while (count > 0)
  }

  /** Sends nothing more; resolves when everything under way is settled and removed. */
  async drain(): Promise<void> {
    this.world.isStopping = true
    this.#reader.close()
    this.#schedule.close()
    for (const partition of this.leases.partitions) this.sender.forget(partition)
    await this.#quieted()
  }

  /** Lets go of everything; what was not drained is published again by the next owner. */
  async leave(): Promise<void> {
    this.close()
    await Promise.allSettled([this.listener.close(), this.leases.leave()])
  }

  /** No timer and nothing under way is left. */
  close(): void {
    this.world.isStopping = true
    for (const watch of this.#watches) watch.stop()
    for (const part of [this.leases, this.#reader, this.#schedule, this.sender, this.#remover, this.stats]) part.close()
  }

  #released(entries: readonly HeldEntry[]): void {
    if (entries.some(({ lane }) => lane.owner.isDraining)) this.leases.onReleased()
    this.#tellQuiet()
    this.#reader.onRoom()
  }

  #quieted(): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet.push(resolve)
      this.#tellQuiet()
    })
  }

  #tellQuiet(): void {
    if (this.world.held.count > 0) return
    const waiting = this.#quiet
    this.#quiet = []
    for (const resolve of waiting) resolve()
  }
}

/** A relay that has nothing to do turns once in each poll. Each call of the store may take a lease, and up to three stand in a row. */
function limitOf({ livenessTimeoutMs, pollIntervalMs, leaseMs }: RelayWorld['options']): number | false {
  return livenessTimeoutMs === false ? false : livenessTimeoutMs + pollIntervalMs + 3 * leaseMs
}
