import { fullJitter } from '@posthorn/core/adapter'
import type { TimerHandle } from '@posthorn/core/adapter'
import type { Listener } from '../ports.js'
import type { RelayWorld } from './relayWorld.js'

/** `polling`: the store hears nothing, or nobody asked it to. */
export type ListenerState = 'listening' | 'lost' | 'polling'

const backoff = { firstMs: 200, maxMs: 10_000 }

/** Hears of new entries. A listener that is lost is replaced, and costs one look at once and one when it is back. */
export class RelayListener {
  readonly #world: RelayWorld
  readonly #onHint: () => void
  #listener: Listener | undefined
  #state: ListenerState = 'polling'
  #failures = 0
  #timer: TimerHandle | undefined
  #isClosed = false

  constructor(world: RelayWorld, onHint: () => void) {
    this.#world = world
    this.#onHint = onHint
  }

  get state(): ListenerState {
    return this.#state
  }

  /** Never rejects: without a listener the relay polls. */
  async listen(): Promise<void> {
    if (!this.#world.options.listen || this.#isClosed) return
    // Told at most once by the port, and after a failure that was ours it must not be told again.
    let isCurrent = true
    const lose = (error: unknown): void => {
      if (!isCurrent || this.#isClosed) return
      isCurrent = false
      this.#lost(error)
    }
    const events = {
      onHint: () => {
        if (isCurrent && !this.#isClosed) this.#onHint()
      },
      onLost: lose,
    }
    // One that comes after all, but too late, is closed.
    const listening = Promise.resolve().then(() => this.#world.store.listen(events))
    const discard = (): void => void listening.then((listener) => listener?.close()).catch(() => {})
    try {
      const listener = await this.#world.ask(() => listening)
      if (this.#isClosed || !isCurrent) {
        discard()
        return
      }
      this.#listener = listener
      this.#state = listener === undefined ? 'polling' : 'listening'
      if (listener === undefined) this.#tellPolling()
      this.#failures = 0
      this.#onHint()
    } catch (error) {
      discard()
      lose(error)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const listener = this.#listener
    this.#listener = undefined
    if (listener !== undefined) await this.#world.ask(() => listener.close())
  }

  #tellPolling(): void {
    const { logger, options } = this.#world
    const facts = { event: 'relay.polling', pollIntervalMs: options.pollIntervalMs }
    logger.info(facts, 'Nothing is heard of new entries: they are found by polling')
  }

  #lost(error: unknown): void {
    this.#listener = undefined
    this.#state = 'lost'
    this.#failures += 1
    this.#world.counts.listenersLost += 1
    this.#world.note(error)
    const facts = { event: 'relay.listener', failures: this.#failures, err: error }
    this.#world.logger.warn(facts, 'The listener was lost; polling until it is back')
    this.#onHint()
    const delayMs = 1 + fullJitter(this.#failures, backoff)
    this.#timer = this.#world.clock.schedule(delayMs, () => void this.listen())
  }
}
