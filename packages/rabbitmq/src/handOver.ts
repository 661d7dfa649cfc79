import type { Delivery } from '@posthorn/core/adapter'

/** Hands deliveries over in batches, and no more than fit. */
export interface HandOver {
  /** Handed over and not settled. */
  readonly unsettledCount: number
  add(delivery: SizedDelivery): void
  /** So many bytes of what was handed over are settled. */
  settled(bytes: number): void
  /** Hands nothing over from now on; returns what it still held. */
  stop(): readonly Delivery[]
}

/** A delivery that knows how many bytes it is. */
export interface SizedDelivery extends Delivery {
  readonly bytes: number
}

/** How much may be handed over and unsettled. */
export interface HandOverBounds {
  readonly maxCount: number
  readonly maxBytes: number
}

/**
 * Everything that arrived in one read of the socket becomes one call, in the microtasks after it: no latency is added.
 * Above its bounds it holds the rest; the prefetch limits how much that is.
 */
export function createHandOver(bounds: HandOverBounds, onDeliveries: (batch: readonly Delivery[]) => void): HandOver {
  const { maxCount, maxBytes } = bounds
  let held: SizedDelivery[] = []
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
      if ((unsettledBytes + bytes > maxBytes && unsettledCount > 0) || unsettledCount >= maxCount) break
      unsettledBytes += bytes
      unsettledCount += 1
      count += 1
    }
    if (count === 0) return
    const batch = count === held.length ? held : held.slice(0, count)
    held = count === held.length ? [] : held.slice(count)
    onDeliveries(batch)
  }

  return {
    get unsettledCount() {
      return unsettledCount
    },
    add(delivery) {
      held.push(delivery)
      schedule()
    },
    settled(bytes) {
      unsettledBytes -= bytes
      unsettledCount -= 1
      if (held.length > 0) schedule()
    },
    stop() {
      isStopped = true
      const rest = held
      held = []
      return rest
    },
  }
}
