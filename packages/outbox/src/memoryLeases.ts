import type { Lease } from './ports.js'

interface Owned {
  relay: string | undefined
  fence: bigint
  until: number
}

/** Who owns which partition, by the clock that is given with each call. */
export class MemoryLeases {
  readonly #partitions: Owned[]
  readonly #relays = new Map<string, number>()

  constructor(partitionCount: number) {
    this.#partitions = Array.from({ length: partitionCount }, () => ({ relay: undefined, fence: 0n, until: 0 }))
  }

  /** Renews what is the relay's and takes what is free, up to its share. */
  renew(relay: string, now: number, leaseMs: number): { leases: Lease[]; share: number; relays: number } {
    const until = now + leaseMs
    this.#relays.set(relay, until)
    for (const [other, livesUntil] of this.#relays) if (livesUntil <= now) this.#relays.delete(other)
    const share = Math.ceil(this.#partitions.length / this.#relays.size)
    const own = this.#partitions.filter((owned) => owned.relay === relay && owned.until > now)
    for (const owned of own) owned.until = until
    const free = this.#partitions.filter((owned) => owned.relay === undefined || owned.until <= now)
    for (const owned of free.slice(0, Math.max(share - own.length, 0))) {
      owned.relay = relay
      owned.fence += 1n
      owned.until = until
    }
    return { leases: this.#leasesOf(relay), share, relays: this.#relays.size }
  }

  giveBack(relay: string, { partition, fence }: Lease): void {
    const owned = this.#partitions[partition]
    if (owned?.relay === relay && owned.fence === fence) owned.relay = undefined
  }

  leave(relay: string): void {
    this.#relays.delete(relay)
    for (const owned of this.#partitions) if (owned.relay === relay) owned.relay = undefined
  }

  isHeld(relay: string | undefined, { partition, fence }: Lease, now: number): boolean {
    const owned = this.#partitions[partition]
    if (owned === undefined || owned.relay === undefined || owned.fence !== fence || owned.until <= now) return false
    return relay === undefined || owned.relay === relay
  }

  #leasesOf(relay: string): Lease[] {
    return this.#partitions.flatMap((owned, partition) =>
      owned.relay === relay ? [{ partition, fence: owned.fence }] : [],
    )
  }
}
