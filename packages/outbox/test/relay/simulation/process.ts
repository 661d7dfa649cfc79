import type { Clock } from '@posthorn/core'
import { createRelay } from '../../../src/index.js'
import type { MemoryStore, Relay } from '../../../src/index.js'
import type { SimBroker } from './simBroker.js'
import type { SimClock } from './simClock.js'
import type { Faults } from './faults.js'
import { faultyStore } from './faultyStore.js'
import { silentLogger } from '@posthorn/core'

/** One process with a relay. It may stand still, and it may die, at any moment between two steps. */
export class SimProcess {
  readonly relay: Relay
  readonly #clock: SimClock
  #isPaused = false
  #isDead = false
  readonly #late: (() => void)[] = []

  constructor(given: {
    clock: SimClock
    store: MemoryStore
    broker: SimBroker
    random: () => number
    faults: () => Faults
    decorate: (store: MemoryStore) => MemoryStore
    maxInFlightPerKey: number
  }) {
    const { clock, random, faults, broker } = given
    this.#clock = clock
    const own: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      schedule: (delayMs, action) => clock.schedule(delayMs, () => this.run(action)),
    }
    const surroundings = { clock, random, faults, run: (step: () => void) => this.run(step) }
    this.relay = createRelay({
      store: faultyStore(given.decorate(given.store), surroundings),
      transport: broker.transport(surroundings),
      clock: own,
      logger: silentLogger,
      leaseMs: 1_000,
      pollIntervalMs: 300,
      maxInFlight: 8 + Math.floor(random() * 40),
      maxInFlightPerKey: given.maxInFlightPerKey,
      maxAttempts: 2,
    })
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** A step of the process: now, when it goes on, or never. */
  run(step: () => void): void {
    if (this.#isDead) return
    if (this.#isPaused) this.#late.push(step)
    else step()
  }

  start(): void {
    this.relay.start({ ifUnavailable: 'wait', deadlineMs: 3_000 }).catch(() => {
      // Stopped, or died, while it started.
    })
  }

  die(): void {
    this.#isDead = true
  }

  pause(forMs: number): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#clock.schedule(forMs, () => {
      this.#isPaused = false
      for (const step of this.#late.splice(0)) this.run(step)
    })
  }

  async stop(): Promise<void> {
    await this.relay.stop({ deadlineMs: 5_000 })
    this.#isDead = true
  }
}
