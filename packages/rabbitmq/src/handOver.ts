import type { Delivery } from '@posthorn/core/adapter'

/** Hands deliveries over in batches, and no more than fit. */
export interface HandOver {
  /** Handed over and not settled. */
  readonly unsettledCount: number
  add(delivery: Delivery, bytes: number): void
  /** So many bytes of what was handed over are settled. */
  settled(bytes: number): void
  /** Hands nothing over from now on; returns what it still held. */
  stop(): readonly Delivery[]
}

/**
 * Everything that arrived in one read of the socket becomes one call, in the microtasks after it: no latency is added.
 * Above `maxBytes` handed over and unsettled it holds the rest; the prefetch bounds how much that is.
 */
export function createHandOver(maxBytes: number, onDeliveries: (batch: readonly Delivery[]) => void): HandOver {
  let held: { readonly delivery: Delivery; readonly bytes: number }[] = []
  let unsettledBytes = 0
  let unsettledCount = 0
  let isScheduled = false
  let isStopped = false

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    queueMicrotask(run)
  }

  function run(): void {
    isScheduled = false
    if (isStopped) return
    let count = 0
    for (const { bytes } of held) {
      // One always goes, however large it is.
      if (unsettledBytes + bytes > maxBytes && unsettledCount > 0) break
      unsettledBytes += bytes
      unsettledCount += 1
      count += 1
    }
    if (count === 0) return
    const batch = held.slice(0, count).map(({ delivery }) => delivery)
    held = held.slice(count)
    onDeliveries(batch)
  }

  return {
    get unsettledCount() {
      return unsettledCount
    },
    add(delivery, bytes) {
      held.push({ delivery, bytes })
      schedule()
    },
    settled(bytes) {
      unsettledBytes -= bytes
      unsettledCount -= 1
      if (held.length > 0) schedule()
    },
    stop() {
      isStopped = true
      const rest = held.map(({ delivery }) => delivery)
      held = []
      return rest
    },
  }
}
