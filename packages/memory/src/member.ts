import type { Delivery, Subscription } from '@posthorn/core/adapter'
import type { Backlog } from './backlog.js'
import type { StoredMessage } from './storedMessage.js'

/** One line of messages in a queue: the whole queue, or one partition of an ordered one. */
export interface Lane {
  readonly backlog: Backlog
  /** Whether its unsettled deliveries must all be with one member. */
  readonly ordered: boolean
  /** The member that gets the next one; unused in a queue without order. */
  owner: Member | undefined
  /** The member that got the last one. */
  holder: Member | undefined
  unsettled: number
}

export type OnDeliveries = (deliveries: readonly Delivery[]) => void

/** One consumer of a queue over one connection: what it holds, and how much more it takes. */
export class Member {
  readonly onDeliveries: OnDeliveries
  readonly #maxInFlight: number
  readonly #maxInFlightBytes: number
  readonly #lost = new AbortController()
  /** The lanes that it takes from: all in a queue without order, its own ones otherwise. */
  lanes: readonly Lane[] = []
  /** Where in `lanes` it took the last one: lanes take turns. */
  cursor = 0
  /** What the current turn hands over. */
  batch: Delivery[] = []
  /** Gets nothing more; what it holds stays its own. */
  left = false
  #held: StoredMessage[] = []
  #heldBytes = 0

  constructor(subscription: Pick<Subscription, 'maxInFlight' | 'maxInFlightBytes'>, onDeliveries: OnDeliveries) {
    this.onDeliveries = onDeliveries
    this.#maxInFlight = subscription.maxInFlight
    this.#maxInFlightBytes = subscription.maxInFlightBytes
  }

  /** Fires when what it holds was given back without it. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get unsettled(): number {
    return this.#held.length
  }

  hasRoom(): boolean {
    return this.#held.length < this.#maxInFlight && this.#heldBytes < this.#maxInFlightBytes
  }

  hold(stored: StoredMessage): void {
    stored.slot = this.#held.length
    this.#held.push(stored)
    this.#heldBytes += stored.bytes
  }

  /** Forgets one; the last of the list takes its slot, so that nothing is searched or moved. */
  letGo(stored: StoredMessage): void {
    const last = this.#held.pop() as StoredMessage
    if (last !== stored) {
      this.#held[stored.slot] = last
      last.slot = stored.slot
    }
    this.#heldBytes -= stored.bytes
  }

  /** Its connection is gone. */
  lose(): void {
    this.#lost.abort()
  }

  /** Forgets all and returns them, in the order of their places, in which giving back is cheapest. */
  letAllGo(): StoredMessage[] {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    return held.sort((one, other) => one.position - other.position)
  }
}
