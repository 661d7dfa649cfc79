import { fullJitter } from '@posthorn/core/adapter'
import type { TimerHandle } from '@posthorn/core/adapter'
import type { HeldEntry } from './heldEntries.js'
import type { RelayWorld } from './relayWorld.js'

/** What the remover tells. */
export interface RemoverEvents {
  /** Entries are not held any more. */
  onReleased(entries: readonly HeldEntry[]): void
}

/** Each batch is a commit, which the disk has to wait for: few of them a second, though places are free a little later. */
const collectMs = 25
const maxBatch = 1_000
const backoff = { firstMs: 50, maxMs: 2_000 }

/** Removes exactly what the broker confirmed, in batches, one at a time; repeats what fails for as long as the lease holds. */
export class RelayRemover {
  readonly #world: RelayWorld
  readonly #events: RemoverEvents
  #confirmed: HeldEntry[] = []
  #isRemoving = false
  /** Nothing is under way that a batch could wait for. */
  #isLast = false
  #failures = 0
  #turns = 0
  #timer: TimerHandle | undefined

  constructor(world: RelayWorld, events: RemoverEvents) {
    this.#world = world
    this.#events = events
  }

  /** Attempts that have ended, whatever came of them. */
  get turns(): number {
    return this.#turns
  }

  /** Nothing is left to remove. */
  get isIdle(): boolean {
    return this.#confirmed.length === 0 && !this.#isRemoving
  }

  /** `isLast`: nothing else is under way that a batch could wait for. */
  add(held: HeldEntry, isLast: boolean): void {
    this.#confirmed.push(held)
    this.#isLast = isLast
    if (!this.#isRemoving && this.#failures === 0) this.#collect()
  }

  #collect(): void {
    const enough = Math.min(maxBatch, this.#world.options.maxInFlight) / 2
    if (this.#isLast || this.#confirmed.length >= enough) void this.#remove()
    else this.#timer ??= this.#schedule(collectMs)
  }

  /** Forgets everything: the relay has stopped. */
  close(): void {
    this.#timer?.cancel()
    this.#confirmed = []
  }

  #schedule(delayMs: number): TimerHandle {
    return this.#world.clock.schedule(delayMs, () => {
      this.#timer = undefined
      void this.#remove()
    })
  }

  async #remove(): Promise<void> {
    if (this.#isRemoving) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isRemoving = true
    const batch = this.#confirmed.splice(0, maxBatch)
    const own = batch.filter(({ lane }) => !lane.owner.isLost)
    // Whoever owns the others now publishes them again.
    let done: readonly HeldEntry[] = batch.filter(({ lane }) => lane.owner.isLost)
    try {
      if (own.length > 0) {
        const refs = own.map(({ partition, id, fence }) => ({ partition, id, fence }))
        this.#world.counts.removed += await this.#world.ask((store) => store.remove(this.#world.name, refs))
      }
      done = batch
      this.#failures = 0
    } catch (error) {
      this.#failures += 1
      this.#confirmed = [...own, ...this.#confirmed]
      const facts = { event: 'relay.remove', count: own.length, failures: this.#failures, err: error }
      this.#world.logger.warn(facts, 'Published entries could not be removed; repeating')
    }
    this.#isRemoving = false
    this.#turns += 1
    if (this.#confirmed.length > 0) {
      if (this.#failures > 0) this.#timer = this.#schedule(1 + fullJitter(this.#failures, backoff))
      else this.#collect()
    }
    if (done.length > 0) this.#events.onReleased(done)
  }
}
