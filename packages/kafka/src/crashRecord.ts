import type { CommittedOffset } from './driver/driver.js'

/*
 * Kafka does not count deliveries. So every commit says which offset is the head of the partition, and how often
 * processes have started on it without getting past it. Who takes the partition over and finds the head where it was
 * knows that the one before died; a process that stops, or loses the partition in good order, says so instead.
 */
const version = 1

/** Metadata of a commit by a process that goes on: if it is still there at the next start, this process has died. */
export function runningMetadata(head: number, starts: number): string {
  return JSON.stringify({ v: version, head, starts })
}

/** Metadata of a commit by a process that lets go of the partition alive. */
export const cleanMetadata: string = JSON.stringify({ v: version })

/** How often the head at this offset was started on before; undefined when nobody died on it. */
export function startsOf({ offset, metadata }: CommittedOffset): number | undefined {
  const record = parse(metadata)
  // Reset by a tool, or written by another client or version: not ours to judge.
  if (record?.['v'] !== version || record['head'] !== offset) return undefined
  const { starts } = record
  return typeof starts === 'number' && Number.isInteger(starts) && starts >= 0 ? starts : undefined
}

function parse(metadata: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(metadata)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
