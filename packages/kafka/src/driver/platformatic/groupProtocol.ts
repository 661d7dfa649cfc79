/*
 * What members of a group tell each other through the coordinator, as kafkajs writes it, so that members on both drivers
 * share one group while a service is moved from one to the other.
 */

/** The name under which kafkajs' members offer their assigner. */
export const assignerName = 'RoundRobinAssigner'
const version = 0

/** What a member reads. */
export function writeSubscription(topics: readonly string[]): Buffer {
  return Buffer.concat([int16(version), int32(topics.length), ...topics.map(text), int32(0)])
}

export function readSubscription(bytes: Buffer): string[] {
  const count = bytes.length < 6 ? 0 : bytes.readInt32BE(2)
  const topics: string[] = []
  for (let at = 6; topics.length < count;) {
    const length = bytes.readInt16BE(at)
    topics.push(bytes.toString('utf8', at + 2, at + 2 + length))
    at += 2 + length
  }
  return topics
}

/** Partitions by topic. */
export type Assignment = ReadonlyMap<string, readonly number[]>

export function writeAssignment(assignment: Assignment): Buffer {
  const topics = [...assignment].flatMap(([topic, partitions]) => [
    text(topic),
    int32(partitions.length),
    ...partitions.map(int32),
  ])
  return Buffer.concat([int16(version), int32(assignment.size), ...topics, int32(0)])
}

/** Nothing is assigned to a member that its leader left out: then there are no bytes. */
export function readAssignment(bytes: Buffer): Assignment {
  const assignment = new Map<string, number[]>()
  const count = bytes.length < 6 ? 0 : bytes.readInt32BE(2)
  for (let at = 6; assignment.size < count;) {
    const length = bytes.readInt16BE(at)
    const topic = bytes.toString('utf8', at + 2, at + 2 + length)
    at += 2 + length
    const partitions = Array.from({ length: bytes.readInt32BE(at) }, (_, index) =>
      bytes.readInt32BE(at + 4 + index * 4),
    )
    at += 4 + partitions.length * 4
    assignment.set(topic, partitions)
  }
  return assignment
}

/** A member as the leader sees it. */
export interface MemberFacts {
  readonly memberId: string
  /** The same after a restart, so that a static member gets what it had. */
  readonly instanceId: string | null
  readonly topics: readonly string[]
}

/** Shares each topic's partitions among those who read it, in turns; the same for the same members. */
export function assign(
  members: readonly MemberFacts[],
  partitionsOf: ReadonlyMap<string, number>,
): ReadonlyMap<string, Assignment> {
  const sorted = members.toSorted((a, b) => compare(a.instanceId ?? a.memberId, b.instanceId ?? b.memberId))
  const shares = new Map(sorted.map(({ memberId }) => [memberId, new Map<string, number[]>()]))
  for (const [topic, count] of partitionsOf) {
    const readers = sorted.filter(({ topics }) => topics.includes(topic))
    for (let partition = 0; partition < count && readers.length > 0; partition += 1) {
      const share = shares.get(readers[partition % readers.length]!.memberId)!
      share.set(topic, [...(share.get(topic) ?? []), partition])
    }
  }
  return shares
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([int16(bytes.length), bytes])
}
