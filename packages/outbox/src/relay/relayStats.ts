import type { TimerHandle } from '@posthorn/core/adapter'
import type { OutboxStats } from '../ports.js'
import type { RelayWorld } from './relayWorld.js'

/** Asks the store from time to time how much waits, since counting a large table is not free. */
export class RelayStats {
  readonly #world: RelayWorld
  #latest: OutboxStats | undefined
  #timer: TimerHandle | undefined
  #isClosed = false

  constructor(world: RelayWorld) {
    this.#world = world
  }

  /** As of the last look; undefined before the first. */
  get latest(): OutboxStats | undefined {
    return this.#latest
  }

  /** Looks now, and from then on. Never rejects. */
  async look(): Promise<void> {
    this.#timer?.cancel()
    try {
      this.#latest = await this.#world.ask((store) => store.stats())
    } catch (error) {
      this.#world.logger.warn({ event: 'relay.stats', err: error }, 'The depth of the outbox is not known')
    }
    if (this.#isClosed) return
    this.#timer?.cancel()
    const { clock, options } = this.#world
    this.#timer = clock.schedule(options.statsIntervalMs, () => void this.look(), { background: true })
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }
}
