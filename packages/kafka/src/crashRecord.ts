import type { CommittedOffset } from './driver/driver.js'

/*
 * Kafka does not count deliveries. So every commit says which offset is the head of the partition, and how often
 * processes have started on it without getting past it. Who takes the partition over and finds the head where it was
 * knows that the one before died; a process that stops, or loses the partition in good order, says so instead.
 */
const version = 1

/** What one process writes into the metadata of its commits, and reads from those of others. */
export interface CrashRecord {
  /** Of a process that goes on: if another one finds it, this one has died. */
  running(head: number, starts: number): string
  /** Of a process that lets go of the partition alive. */
  readonly clean: string
  /** The same, but it found others dead on the head, and did not get past it: whoever comes next counts on. */
  left(head: number, starts: number): string
  /** The client lost its way from this offset, and somebody has to decide: the number says nothing of the log any more. */
  readonly lost: string
  /** How often the head at this offset was started on before; undefined when nobody died on it. */
  startsOf(committed: CommittedOffset): number | undefined
  /** Whether somebody has to decide where the group goes on; who commits anything else there, has. */
  isLost(committed: CommittedOffset): boolean
}

/** `by` tells this process from all others. */
export function createCrashRecord(by: string): CrashRecord {
  return {
    running: (head, starts) => JSON.stringify({ v: version, head, starts, by }),
    clean: JSON.stringify({ v: version }),
    lost: JSON.stringify({ v: version, lost: true }),
    left: (head, starts) => JSON.stringify({ v: version, head, starts }),
    startsOf({ offset, metadata }) {
      const record = parse(metadata)
      // Reset by a tool, or written by another client or version: not ours to judge.
      if (record?.['v'] !== version || record['head'] !== offset) return undefined
      // Our own: the partition went and came back, or the answer to a commit was lost.
      if (record['by'] === by) return undefined
      const { starts } = record
      return typeof starts === 'number' && Number.isInteger(starts) && starts >= 0 ? starts : undefined
    },
    isLost({ metadata }) {
      const record = parse(metadata)
      return record?.['v'] === version && record['lost'] === true
    },
  }
}

function parse(metadata: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(metadata)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
