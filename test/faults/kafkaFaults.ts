import type { KafkaControl } from '../stack/src/index.js'
import { coordinatorPartition, leaderOf, withAdmin } from './kafkaAdmin.js'
import type { FaultContext, FaultKind } from './target.js'
import { flows, step, work } from './traffic.js'

/** Where an operator does something to it. */
export interface KafkaCluster {
  readonly control: KafkaControl
  /** Of the brokers, not of proxies. */
  readonly brokers: readonly string[]
}

type Inject = FaultKind['inject']

/** What can be done to Kafka's brokers. */
export function kafkaFaults(cluster: KafkaCluster): Readonly<Record<string, FaultKind>> {
  const kinds: Record<string, FaultKind> = {
    brokerKilled: { minMs: 500, maxMs: 4_000, inject: (context) => killed(cluster, anyNode(cluster, context)) },
    brokerStopped: { minMs: 500, maxMs: 4_000, inject: (context) => stopped(cluster, anyNode(cluster, context)) },
    brokerPaused: { minMs: 3_000, maxMs: 9_000, inject: (context) => paused(cluster, anyNode(cluster, context)) },
  }
  if (cluster.brokers.length === 1) return kinds
  return {
    ...kinds,
    leaderKilled: { minMs: 1_000, maxMs: 6_000, inject: onLeader(cluster) },
    coordinatorKilled: { minMs: 1_000, maxMs: 6_000, inject: onCoordinator(cluster) },
  }
}

function anyNode({ brokers }: KafkaCluster, { random, note }: FaultContext): number {
  const node = random.between(1, brokers.length)
  if (brokers.length > 1) note(`node ${node}`)
  return node
}

async function killed({ control }: KafkaCluster, node: number): Promise<() => Promise<void>> {
  await control.kill(node)
  return () => control.start(node)
}

/** With SIGTERM a broker hands its partitions to others, where there are any. */
async function stopped({ control }: KafkaCluster, node: number): Promise<() => Promise<void>> {
  await control.stop(node)
  return () => control.start(node)
}

async function paused({ control }: KafkaCluster, node: number): Promise<() => Promise<void>> {
  await control.pause(node)
  return () => control.resume(node)
}

function onLeader(cluster: KafkaCluster): Inject {
  return async ({ random, note }) => {
    const topic = random.pick([work.destination, step.destination])
    const node = await withAdmin(cluster.brokers, (admin) => leaderOf(admin, topic, 0))
    note(`node ${node}, leader of ${topic}[0]`)
    return killed(cluster, node)
  }
}

/** The broker that keeps the members and the offsets of a group. */
function onCoordinator(cluster: KafkaCluster): Inject {
  return async ({ random, note }) => {
    const { contract, group } = flows[random.pick(['s', 'w'] as const)]
    const groupId = `${contract.destination}.${group}`
    const node = await withAdmin(cluster.brokers, async (admin) => {
      const topic = '__consumer_offsets'
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      return leaderOf(admin, topic, coordinatorPartition(groupId, topics[0]!.partitions.length))
    })
    note(`node ${node}, coordinator of ${groupId}`)
    return killed(cluster, node)
  }
}
