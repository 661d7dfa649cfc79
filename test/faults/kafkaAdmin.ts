import { Kafka, logLevel } from 'kafkajs'
import type { Admin } from 'kafkajs'
import { directFlows, flows } from './traffic.js'

/** What an operator asks of a cluster, past all proxies and past our adapter. */
export async function withAdmin<Value>(
  brokers: readonly string[],
  use: (admin: Admin) => Promise<Value>,
): Promise<Value> {
  const kafka = new Kafka({
    clientId: 'operator',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 10 },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    return await use(admin)
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

/** The consumer groups of a run, each with the topic that it reads: a retry topic has a group of its own. */
export function groupsOf(topics: readonly string[]): ReadonlyMap<string, string> {
  const groups = new Map<string, string>()
  for (const { contract, group } of directFlows.map((key) => flows[key])) {
    groups.set(`${contract.destination}.${group}`, contract.destination)
    const prefix = `${contract.destination}.${group}.retry.`
    for (const topic of topics) if (topic.startsWith(prefix)) groups.set(topic, topic)
  }
  return groups
}

/** Which partition of `__consumer_offsets` keeps a group: Java's hash of its name. */
export function coordinatorPartition(groupId: string, partitions: number): number {
  let hash = 0
  for (let at = 0; at < groupId.length; at += 1) hash = (Math.imul(hash, 31) + groupId.charCodeAt(at)) | 0
  return (hash & 0x7fff_ffff) % partitions
}

/** The node that leads a partition. */
export async function leaderOf(admin: Admin, topic: string, partition: number): Promise<number> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const leader = topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)?.leader ?? -1
  if (leader < 1) throw new Error(`${topic}[${partition}] has no leader`)
  return leader
}
