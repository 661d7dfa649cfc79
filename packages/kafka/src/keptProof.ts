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
  /** What came of it, or `'anew'`; ends with the signal, which proves nothing. */
  prove(signal: AbortSignal): Promise<Proven | 'anew'>
}

export interface Proven {
  /** Where we are as far as anybody. */
  readonly kept: readonly PartitionQueue[]
  /** Where somebody else went on, by partition: the group's offset. */
  readonly passed: ReadonlyMap<number, number>
}

export interface KeptProofParts {
  readonly topic: string
  readonly groupId: string
  readonly driver: Pick<KafkaDriver, 'committed'>
  readonly clock: Clock
}

const backoff = { firstMs: 100, maxMs: 3_000 }

export function createKeptProof({ topic, groupId, driver, clock }: KeptProofParts): KeptProof {
  const doubted = new Set<PartitionQueue>()
  return {
    isProven: (queue) => !doubted.has(queue),
    doubt: (queue) => void doubted.add(queue),
    async prove(signal) {
      if (doubted.size === 0) return { kept: [], passed: new Map() }
      const wait = { clock, deadline: Infinity, signal, backoff, isPassing }
      const outcome = await repeat(() => driver.committed(groupId, topic), wait)
      if (signal.aborted) return { kept: [], passed: new Map() }
      const queues = [...doubted]
      doubted.clear()
      // Who may not ask goes on as if nobody had deleted anything.
      return 'value' in outcome ? compare(queues, outcome.value) : { kept: queues, passed: new Map() }
    },
  }
}

function compare(queues: readonly PartitionQueue[], committed: ReadonlyMap<number, CommittedOffset>): Proven | 'anew' {
  const kept: PartitionQueue[] = []
  const passed = new Map<number, number>()
  for (const queue of queues) {
    const offset = committed.get(queue.partition)?.offset
    if (queue.isCommittable && offset === undefined) return 'anew'
    // We commit our own mark, which never goes back: whatever is beyond it, we have not written.
    if (offset !== undefined && offset > (queue.mark ?? offset)) passed.set(queue.partition, offset)
    else kept.push(queue)
  }
  return { kept, passed }
}
