import type { Clock } from '@posthorn/core/adapter'
import { repeat } from './byDeadline.js'
import type { CommittedOffset, KafkaDriver } from './driver/driver.js'
import { isPassing } from './driver/driverError.js'
import type { PartitionQueue } from './partitionQueue.js'

/**
 * Keeps what is known of a partition from being committed where it does not hold any more. With a topic its broker forgets
 * the group's commits; so where they are missing, the topic was made anew, and our offsets are of the one before. Where
 * they are beyond what we have finished, somebody else had the partition while we were out of the group.
 */
export interface KeptProof {
  /** False while the partition was kept over a rebalance and nobody has looked yet. */
  isProven(queue: PartitionQueue): boolean
  doubt(queue: PartitionQueue): void
  /** Ends with the signal, which proves nothing. */
  prove(signal: AbortSignal): Promise<Proven>
}

export interface Proven {
  /** Where we are as far as anybody. */
  readonly kept: readonly PartitionQueue[]
  /** Where somebody else went on, by partition: the group's offset. */
  readonly passed: ReadonlyMap<number, number>
  /** Where the group has no offset any more. */
  readonly missing: readonly PartitionQueue[]
}

export interface KeptProofParts {
  readonly topic: string
  readonly groupId: string
  readonly driver: Pick<KafkaDriver, 'committed'>
  readonly clock: Clock
}

const nothing: Proven = { kept: [], passed: new Map(), missing: [] }
const backoff = { firstMs: 100, maxMs: 3_000 }

export function createKeptProof({ topic, groupId, driver, clock }: KeptProofParts): KeptProof {
  const doubted = new Set<PartitionQueue>()
  return {
    isProven: (queue) => !doubted.has(queue),
    doubt: (queue) => void doubted.add(queue),
    async prove(signal) {
      if (doubted.size === 0) return nothing
      const wait = { clock, deadline: Infinity, signal, backoff, isPassing }
      const outcome = await repeat(() => driver.committed(groupId, topic), wait)
      if (signal.aborted) return nothing
      const queues = [...doubted]
      doubted.clear()
      // Who may not ask goes on as if nobody had deleted anything.
      return 'value' in outcome ? compare(queues, outcome.value) : { ...nothing, kept: queues }
    },
  }
}

function compare(queues: readonly PartitionQueue[], committed: ReadonlyMap<number, CommittedOffset>): Proven {
  const kept: PartitionQueue[] = []
  const passed = new Map<number, number>()
  const missing: PartitionQueue[] = []
  for (const queue of queues) {
    const offset = committed.get(queue.partition)?.offset
    // We commit our own mark, which never goes back: whatever is beyond it, we have not written.
    if (queue.isCommittable && offset === undefined) missing.push(queue)
    else if (offset !== undefined && offset > (queue.mark ?? offset)) passed.set(queue.partition, offset)
    else kept.push(queue)
  }
  return { kept, passed, missing }
}
