import type { Clock, Logger, TimerHandle } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'
import type { OffsetToCommit } from './driver/driver.js'
import { DriverError } from './driver/driverError.js'
import type { PartitionQueue } from './partitionQueue.js'

/** Commits what is done of one topic's partitions: soon, together, one request at a time. */
export interface OffsetCommitter {
  /** Something may have to be committed: within the interval. */
  touch(): void
  /** Nothing is under way: soon, since nothing else will come along. */
  hurry(): void
  /** Commits now, after a commit that is under way; says whether everything is committed. */
  flush(): Promise<boolean>
  /** Commits now, saying that we let go of the partitions alive; does not wait for a commit that is under way. */
  letGo(): Promise<boolean>
  stop(): void
}

export interface CommitterParts {
  readonly groupId: string
  /** What is ours at this moment; empty while that is not known. */
  readonly owned: () => readonly PartitionQueue[]
  readonly commit: (offsets: readonly OffsetToCommit[]) => Promise<void>
  readonly intervalMs: number
  /** So many commits in a row failed that the consumer cannot be right. */
  readonly onStuck: () => void
  readonly counts: Counts
  readonly clock: Clock
  readonly logger: Logger
}

/** Quiet for so long is worth a commit: what a crash repeats then is nothing. */
const idleMs = 50
const maxFailures = 5

export function createOffsetCommitter(parts: CommitterParts): OffsetCommitter {
  const { clock, intervalMs } = parts
  let timer: TimerHandle | undefined
  let timerAt = Infinity
  let busy: Promise<boolean> | undefined
  let failures = 0
  let stopped = false

  function armIn(delayMs: number): void {
    const at = clock.monotonic() + delayMs
    if (stopped || at >= timerAt) return
    timer?.cancel()
    timerAt = at
    timer = clock.schedule(
      delayMs,
      () => {
        timerAt = Infinity
        void flush()
      },
      { background: true },
    )
  }

  const isDue = (queue: PartitionQueue): boolean => queue.isCommittable && queue.mark !== queue.committed

  async function flush(): Promise<boolean> {
    while (busy !== undefined) await busy
    busy = commit(parts.owned().filter(isDue), false)
    try {
      return await busy
    } finally {
      busy = undefined
    }
  }

  /** What is committed is read, checked to be ours, and handed to the client in one turn of the event loop. */
  async function commit(queues: readonly PartitionQueue[], ifClean: boolean): Promise<boolean> {
    if (queues.length === 0) return true
    const offsets = queues.map((queue) => ({
      partition: queue.partition,
      offset: queue.mark!,
      metadata: queue.metadata(ifClean),
    }))
    try {
      await parts.commit(offsets)
      // After a last word, the next one that runs has to be written again, wherever it stands.
      if (!ifClean) for (const [index, queue] of queues.entries()) queue.noteCommitted(offsets[index]!.offset)
      failures = 0
      parts.counts.commits += 1
      return true
    } catch (error) {
      failed(error)
      return false
    }
  }

  function failed(err: unknown): void {
    parts.counts.failedCommits += 1
    parts.logger.debug({ event: 'kafka.commit', groupId: parts.groupId, err }, 'A commit failed and is repeated')
    // The group rebalances: what stays ours is committed after that.
    if (err instanceof DriverError && err.kind === 'membership') return
    failures += 1
    if (failures % maxFailures === 0) parts.onStuck()
    armIn(intervalMs)
  }

  return {
    touch() {
      // Asked for every message: without looking at the clock when it is sure to happen in time.
      if (timerAt === Infinity) armIn(intervalMs)
    },
    hurry: () => armIn(Math.min(idleMs, intervalMs)),
    flush,
    letGo: () =>
      commit(
        parts.owned().filter(({ isCommittable }) => isCommittable),
        true,
      ),
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
