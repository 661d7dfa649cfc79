import type { Clock, Delivery, Subscription, TimerHandle } from '@posthorn/core/adapter'
import type { InFlightCount, PartitionQueue } from './partitionQueue.js'

/** Hands the messages of all partitions of a subscription over, within its bounds, each partition in its turn. */
export interface HandOff extends InFlightCount {
  add(queue: PartitionQueue): void
  remove(queue: PartitionQueue): void
  /** Whether so much waits already that nothing more should be fetched. */
  readonly isFull: boolean
  readonly inFlightCount: number
  /** Hands over as much as may be; returns when nothing more may. */
  pump(): void
  /** Nothing is handed over after this call. */
  stop(): void
}

export interface HandOffParts {
  readonly subscription: Subscription
  readonly clock: Clock
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  /** Everything that was handed over is settled. */
  readonly onIdle: () => void
  /** Something was handed over: there may be room to fetch. */
  readonly onTaken: () => void
}

/** From one partition, before the next one gets its turn. */
const turnCount = 64
/** What may wait at least, however small the bound on bytes. */
const minBufferedBytes = 1_048_576

export function createHandOff(parts: HandOffParts): HandOff {
  const { maxInFlight, maxInFlightBytes } = parts.subscription
  const queues: PartitionQueue[] = []
  let next = 0
  let inFlight = 0
  let inFlightBytes = 0
  let bufferedBytes = 0
  let requested = false
  let stopped = false
  let timer: TimerHandle | undefined

  const hasRoom = (): boolean => inFlight < maxInFlight && inFlightBytes < maxInFlightBytes

  function takeTurns(nowMs: number): Delivery[] {
    const deliveries: Delivery[] = []
    for (let empty = 0; empty < queues.length && hasRoom();) {
      next = (next + 1) % queues.length
      const before = deliveries.length
      takeFrom(queues[next]!, nowMs, deliveries)
      empty = deliveries.length === before ? empty + 1 : 0
    }
    return deliveries
  }

  function takeFrom(queue: PartitionQueue, nowMs: number, deliveries: Delivery[]): void {
    for (let count = 0; count < turnCount && hasRoom(); count += 1) {
      const delivery = queue.take(nowMs)
      if (delivery === undefined) return
      deliveries.push(delivery)
    }
  }

  function pump(): void {
    if (stopped) return
    const nowMs = parts.clock.now()
    const deliveries = takeTurns(nowMs)
    wakeAt(hasRoom() ? nextDueMs(nowMs) : Infinity, nowMs)
    if (deliveries.length === 0) return
    parts.onTaken()
    parts.onDeliveries(deliveries)
  }

  /** What is due already waits for something else than time: it must not hide what time will wake. */
  function nextDueMs(nowMs: number): number {
    let dueMs = Infinity
    for (const { dueAtMs = Infinity } of queues) if (dueAtMs > nowMs && dueAtMs < dueMs) dueMs = dueAtMs
    return dueMs
  }

  /** Only for what becomes due by time; everything else asks. */
  function wakeAt(dueMs: number, nowMs: number): void {
    timer?.cancel()
    timer = undefined
    if (dueMs === Infinity || dueMs <= nowMs) return
    timer = parts.clock.schedule(dueMs - nowMs, pump, { background: true })
  }

  function request(): void {
    if (requested || stopped) return
    requested = true
    // Once for everything that is settled in this turn of the event loop.
    setImmediate(() => {
      requested = false
      pump()
    })
  }

  return {
    add: (queue) => void queues.push(queue),
    remove(queue) {
      const at = queues.indexOf(queue)
      if (at !== -1) queues.splice(at, 1)
    },
    get isFull() {
      return bufferedBytes >= Math.max(minBufferedBytes, maxInFlightBytes)
    },
    get inFlightCount() {
      return inFlight
    },
    taken(bytes) {
      inFlight += 1
      inFlightBytes += bytes
    },
    settled(bytes) {
      inFlight -= 1
      inFlightBytes -= bytes
      request()
      if (inFlight === 0) parts.onIdle()
    },
    buffered(bytes) {
      bufferedBytes += bytes
    },
    request,
    pump,
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
