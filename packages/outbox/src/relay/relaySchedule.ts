import type { TimerHandle } from '@posthorn/core/adapter'
import type { Lease } from '../ports.js'
import type { RelayWorld } from './relayWorld.js'

/** What the schedule tells. */
export interface ScheduleEvents {
  leases(): readonly Lease[]
  /** Entries became ordinary ones. */
  onReleased(): void
  /** To learn what is due next. */
  renew(): void
}

const maxBatch = 1_000
/** The clock of the database decides; ours only asks, and not in the very millisecond. */
const slackMs = 5
/** Between two releases: entries that are due one by one must not cost a query each. */
const pauseMs = 100

/** Releases entries whose time has come, late rather than early. */
export class RelaySchedule {
  readonly #world: RelayWorld
  readonly #events: ScheduleEvents
  #timer: TimerHandle | undefined
  #releasedAt = -Infinity
  #isReleasing = false
  #isClosed = false

  constructor(world: RelayWorld, events: ScheduleEvents) {
    this.#world = world
    this.#events = events
  }

  /** As the last renewal said. */
  plan(nextDueMs: number | undefined): void {
    this.#timer?.cancel()
    if (nextDueMs === undefined || this.#isClosed) return
    const { clock } = this.#world
    const restMs = this.#releasedAt + pauseMs - clock.monotonic()
    this.#timer = clock.schedule(Math.max(nextDueMs + slackMs, restMs), () => void this.release())
  }

  /** Never rejects: what is not released now is after the next renewal. */
  async release(): Promise<void> {
    if (this.#isReleasing || this.#world.isStopping) return
    this.#isReleasing = true
    this.#releasedAt = this.#world.clock.monotonic()
    try {
      const leases = this.#events.leases()
      const count = await this.#world.ask((store) => store.releaseDue(leases, maxBatch))
      if (count > 0) {
        this.#events.onReleased()
        this.#events.renew()
      }
    } catch (error) {
      this.#world.logger.warn(
        { event: 'relay.schedule', err: error },
        'Due entries could not be released; trying again',
      )
    }
    this.#isReleasing = false
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }
}
