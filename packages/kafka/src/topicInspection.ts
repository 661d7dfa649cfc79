import type { TopicDescription } from './driver/driver.js'
import type { PlannedTopic } from './topologyMap.js'

/** One setting that is another one on the broker. */
export interface Difference {
  /** As Kafka names it: `retention.ms`, `partitions`. */
  readonly setting: string
  readonly expected: string
  readonly actual: string
}

/** What an existing topic is, against what it should be. */
export interface Inspection {
  /** With these, messages would be lost or could not be kept: nobody may use the topic so. */
  readonly differences: readonly Difference[]
  /** Guarantees that the topic gives up, in plain words. */
  readonly warnings: readonly string[]
  /** Confirmed messages can be lost together with a broker: how few copies there are, in plain words. */
  readonly weakness: string | undefined
}

/** A body as long as it may be, with its key and headers, must fit into this. */
export interface Needs {
  readonly maxBodyBytes: number
}

/** Left for key and headers at least. */
const minRoomBytes = 32_768
/** A retry that is due is read within this time, unless the group is down. */
const minSpareMs = 60_000

/** Compares what a topic is with what it is used for; looks at no setting that only the user can know. */
export function inspectTopic(planned: PlannedTopic, facts: TopicDescription, { maxBodyBytes }: Needs): Inspection {
  const { topic, use, partitions } = planned
  const differences: Difference[] = []
  const warnings: string[] = []
  if (partitions !== undefined && partitions !== facts.partitions) {
    warnings.push(`topic "${topic}" has ${facts.partitions} partitions, and ${partitions} are asked for`)
  }
  if (facts.configs === undefined) {
    warnings.push(`topic "${topic}": its settings may not be read (ACL DescribeConfigs), and are not checked`)
    return { differences, warnings, weakness: undefined }
  }
  const { 'cleanup.policy': cleanup = 'delete', 'min.insync.replicas': inSync = '1' } = facts.configs
  if (cleanup.includes('compact')) {
    if (use === 'destination') {
      warnings.push(`topic "${topic}" is compacted: an event that a later one of its key replaces may never be handled`)
    } else {
      differences.push({ setting: 'cleanup.policy', expected: 'delete', actual: cleanup })
    }
  }
  differences.push(...retentionDifferences(planned, facts.configs))
  if (use !== 'destination' && (facts.configs['retention.bytes'] ?? '-1') !== '-1') {
    warnings.push(`topic "${topic}" has retention.bytes: what is put aside there vanishes when there is much of it`)
  }
  const roomBytes = Number(facts.configs['max.message.bytes'] ?? Infinity) - maxBodyBytes
  if (roomBytes < minRoomBytes) {
    const size = facts.configs['max.message.bytes']
    warnings.push(
      `topic "${topic}" takes messages of ${size} bytes: bodies of maxBodyBytes (${maxBodyBytes}) may not fit`,
    )
  }
  const isWeak = facts.replicationFactor < 3 || Number(inSync) < 2
  const weakness = isWeak ? `${facts.replicationFactor} copies, min.insync.replicas ${inSync}` : undefined
  return { differences, warnings, weakness }
}

/** What vanishes before it is due is lost without a word. */
function retentionDifferences({ delayMs }: PlannedTopic, configs: Readonly<Record<string, string>>): Difference[] {
  const actual = configs['retention.ms'] ?? '-1'
  if (delayMs === undefined || Number(actual) === -1 || Number(actual) >= delayMs + minSpareMs) return []
  return [{ setting: 'retention.ms', expected: `-1 or at least ${delayMs + minSpareMs}`, actual }]
}

/** The settings that are asked for by name and are others on the broker; for `verify` alone, which is asked to be strict. */
export function strictDifferences(planned: PlannedTopic, facts: TopicDescription): Difference[] {
  const differences: Difference[] = []
  const { partitions, replicationFactor, asked } = planned
  for (const [setting, expected] of Object.entries(asked)) {
    const actual = facts.configs?.[setting]
    if (facts.configs !== undefined && actual !== expected) {
      differences.push({ setting, expected, actual: actual ?? 'not set' })
    }
  }
  if (partitions !== undefined && partitions !== facts.partitions) {
    differences.push({ setting: 'partitions', expected: `${partitions}`, actual: `${facts.partitions}` })
  }
  if (planned.owner === 'ours' && replicationFactor !== -1 && replicationFactor !== facts.replicationFactor) {
    differences.push({
      setting: 'replication factor',
      expected: `${replicationFactor}`,
      actual: `${facts.replicationFactor}`,
    })
  }
  return differences
}

/** For people: `retention.ms is 1000, expected -1 or at least 65000`. */
export function describeDifferences(differences: readonly Difference[]): string {
  return differences.map(({ setting, expected, actual }) => `${setting} is ${actual}, expected ${expected}`).join('; ')
}
