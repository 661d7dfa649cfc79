import { systemClock } from '@posthorn/core/adapter'
import type { Clock } from '@posthorn/core/adapter'
import { MemoryInbox } from './memoryInbox.js'
import { MemoryLeases } from './memoryLeases.js'
import { MemoryPartition } from './memoryPartition.js'
import type { Lease, Listener, ListenerEvents } from './ports.js'

/** How a store in memory differs from the default. */
export interface MemoryStoreOptions {
  /** The time of the "database"; a test gives `createVirtualClock()`. @default the machine's */
  readonly clock?: Clock
  /** Partitions that relays share; more spreads the work over more relays, and costs each of them a little. @default 64 */
  readonly partitionCount?: number
  /** How long the inbox remembers, in milliseconds; longer recognises older copies, and keeps more. @default 604_800_000 (7 days) */
  readonly inboxRetentionMs?: number
  /** The id of the first entry, for tests of large ones; it changes nothing else. @default 1n */
  readonly firstId?: bigint
}

/** What the sides of one store share. */
export class MemoryStoreState {
  readonly clock: Clock
  readonly leases: MemoryLeases
  readonly partitions: readonly MemoryPartition[]
  readonly inbox: MemoryInbox
  readonly #listeners: ListenerEvents[] = []
  #lastId: bigint

  constructor({ clock, partitionCount = 64, inboxRetentionMs = 604_800_000, firstId = 1n }: MemoryStoreOptions) {
    this.clock = clock ?? systemClock
    this.leases = new MemoryLeases(partitionCount)
    this.partitions = Array.from({ length: partitionCount }, (_, index) => new MemoryPartition(index))
    this.inbox = new MemoryInbox(inboxRetentionMs)
    this.#lastId = firstId - 1n
  }

  readonly nextId = (): bigint => (this.#lastId += 1n)

  isHeld(relay: string | undefined, lease: Lease): boolean {
    return this.leases.isHeld(relay, lease, this.clock.monotonic())
  }

  hint(): void {
    for (const events of this.#listeners) {
      // As over a wire: never inside the call that caused it, and never after the listener was closed.
      queueMicrotask(() => {
        if (this.#listeners.includes(events)) events.onHint()
      })
    }
  }

  listen(events: ListenerEvents): Listener {
    this.#listeners.push(events)
    return {
      close: async () => {
        const index = this.#listeners.indexOf(events)
        if (index !== -1) this.#listeners.splice(index, 1)
      },
    }
  }

  stopListening(): void {
    this.#listeners.length = 0
  }
}
