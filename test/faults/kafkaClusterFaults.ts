import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { withAdmin } from './kafkaAdmin.js'
import type { KafkaCluster } from './kafkaFaults.js'
import type { Random } from './random.js'
import type { FaultKind } from './target.js'
import { step, work } from './traffic.js'

/** What an operator can move in a cluster of three brokers, while everything runs. */
export function kafkaClusterFaults(cluster: KafkaCluster): Readonly<Record<string, FaultKind>> {
  return {
    leadersMoved: { minMs: 500, maxMs: 2_000, inject: ({ random }) => leadersMoved(cluster, random) },
    partitionsReassigned: { minMs: 2_000, maxMs: 5_000, inject: ({ random }) => reassigned(cluster, random) },
  }
}

const topics = [work.destination, step.destination]

interface Assignment {
  readonly topic: string
  readonly partitionAssignment: { readonly partition: number; readonly replicas: number[] }[]
}

/** The replicas of each partition as they are, in the order that `change` makes of them. */
async function assign(admin: Admin, change: (replicas: readonly number[]) => number[]): Promise<void> {
  const metadata = await admin.fetchTopicMetadata({ topics })
  const wanted: Assignment[] = metadata.topics.map(({ name, partitions }) => ({
    topic: name,
    partitionAssignment: partitions.map(({ partitionId, replicas }) => ({
      partition: partitionId,
      replicas: change(replicas),
    })),
  }))
  await admin.alterPartitionReassignments({ topics: wanted, timeout: 10_000 })
}

async function allDone(admin: Admin): Promise<void> {
  const end = performance.now() + 60_000
  while ((await admin.listPartitionReassignments({})).topics.length > 0) {
    if (performance.now() > end) throw new Error('A reassignment did not end')
    await sleep(200)
  }
}

/** Other leaders are preferred, and then elected. */
async function leadersMoved({ brokers, control }: KafkaCluster, random: Random): Promise<() => Promise<void>> {
  await withAdmin(brokers, async (admin) => {
    await assign(admin, (replicas) => random.shuffled(replicas))
    await allDone(admin)
  })
  const { code, stderr } = await control.tool('org.apache.kafka.tools.LeaderElectionCommand', [
    '--bootstrap-server',
    brokers.join(','),
    '--election-type',
    'preferred',
    '--all-topic-partitions',
  ])
  if (code !== 0) throw new Error(`No election: ${stderr}`)
  return () => Promise.resolve()
}

/** Partitions leave one broker, its leaders too, and come back. */
async function reassigned({ brokers }: KafkaCluster, random: Random): Promise<() => Promise<void>> {
  const all = brokers.map((_, at) => at + 1)
  const left = random.pick(all)
  await withAdmin(brokers, async (admin) => {
    await assign(admin, (replicas) => replicas.filter((node) => node !== left))
    await allDone(admin)
  })
  return () =>
    withAdmin(brokers, async (admin) => {
      await assign(admin, () => random.shuffled(all))
      await allDone(admin)
    })
}
