import type { Clock } from '@posthorn/core/adapter'
import { pauseFor } from './byDeadline.js'
import type { DriverConsumer } from './driver/driver.js'
import type { PartitionQueue } from './partitionQueue.js'

/** Keeps a partition from being fetched faster than it is handed over, and memory bounded. */
export interface FetchFlow {
  /** Called after something was fetched: the next fetch of the partition waits for the promise. */
  afterFetch(queue: PartitionQueue): Promise<void> | undefined
  /** Called after something was handed over: lets go on what has room again. */
  afterTaken(): void
  /** Tells a new assignment, or a new consumer, what is paused. */
  reapply(): void
  /** The partition is not ours any more. */
  forget(partition: number): void
  /** Fetches nothing more. */
  halt(): void
}

export interface FlowParts {
  readonly clock: Clock
  readonly consumer: () => DriverConsumer | undefined
  readonly queueOf: (partition: number) => PartitionQueue | undefined
  readonly owned: () => readonly number[]
  /** Whether the whole subscription holds as much as it may. */
  readonly isFull: () => boolean
  readonly maxCount: number
  readonly maxBytes: number
}

/**
 * A fast consumer empties its queue within this time. Then holding up the fetch is better than a pause: kafkajs takes up
 * to 250 ms to notice a resume. The fetches of the other partitions wait along, so it must be short.
 */
const patienceMs = 100

export function createFetchFlow(parts: FlowParts): FetchFlow {
  const { clock, maxCount, maxBytes } = parts
  const paused = new Set<number>()
  /** Fetches that are held up, by partition. */
  const held = new Map<number, AbortController>()
  let halted = false

  const isOver = (queue: PartitionQueue): boolean =>
    queue.bufferedCount >= maxCount || queue.bufferedBytes >= maxBytes || (parts.isFull() && queue.bufferedCount > 0)

  const hasRoom = (queue: PartitionQueue | undefined): boolean =>
    queue === undefined ||
    (queue.bufferedCount <= maxCount / 2 &&
      queue.bufferedBytes <= maxBytes / 2 &&
      (!parts.isFull() || queue.bufferedCount === 0))

  function pause(partition: number): void {
    paused.add(partition)
    parts.consumer()?.pause([partition])
  }

  async function hold(queue: PartitionQueue): Promise<void> {
    const room = new AbortController()
    held.set(queue.partition, room)
    await pauseFor(patienceMs, { clock, deadline: Infinity, signal: room.signal })
    if (held.get(queue.partition) === room) held.delete(queue.partition)
    if (!room.signal.aborted && isOver(queue)) pause(queue.partition)
  }

  function release(partition: number): void {
    held.get(partition)?.abort()
    held.delete(partition)
  }

  return {
    afterFetch(queue) {
      if (halted || !isOver(queue)) return undefined
      const { dueAtMs } = queue
      // Nothing can be handed over in time: waiting for it would only hold up the others.
      if (dueAtMs === undefined || dueAtMs > clock.now() + patienceMs) {
        pause(queue.partition)
        return undefined
      }
      return hold(queue)
    },
    afterTaken() {
      if (halted) return
      for (const partition of held.keys()) if (hasRoom(parts.queueOf(partition))) release(partition)
      if (paused.size === 0) return
      const resumed = [...paused].filter((partition) => hasRoom(parts.queueOf(partition)))
      if (resumed.length === 0) return
      for (const partition of resumed) paused.delete(partition)
      parts.consumer()?.resume(resumed)
    },
    reapply() {
      const wanted = halted ? parts.owned() : [...paused]
      if (wanted.length > 0) parts.consumer()?.pause(wanted)
    },
    forget(partition) {
      paused.delete(partition)
      release(partition)
      // The same client consumer may get it back one day.
      parts.consumer()?.resume([partition])
    },
    halt() {
      halted = true
      for (const partition of held.keys()) release(partition)
      const owned = parts.owned()
      if (owned.length > 0) parts.consumer()?.pause(owned)
    },
  }
}
