import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaOptions } from '@posthorn/kafka'
import type { FaultProxy } from '@posthorn/testing'
import { acquireKafka } from '../stack/src/index.js'
import type { KafkaVersion } from '../stack/src/index.js'
import type { TransportConfig } from './childLink.js'
import { groupsOf, withAdmin } from './kafkaAdmin.js'
import { kafkaClusterFaults } from './kafkaClusterFaults.js'
import { kafkaFaults } from './kafkaFaults.js'
import { kafkaGroupFaults } from './kafkaGroupFaults.js'
import { createKafkaProxies } from './kafkaProxies.js'
import { createOffsetWatch } from './kafkaOffsets.js'
import { kafkaPoison } from './kafkaPoison.js'
import { kafkaTopicFaults } from './kafkaTopicFaults.js'
import { directCrew } from './crew.js'
import { directWay } from './proxies.js'
import type { CreateTarget } from './target.js'
import { directFlows, flows, steadyDirectFlows } from './traffic.js'

const versions: readonly string[] = ['4.3', '3.9'] satisfies readonly KafkaVersion[]
/** The clients that the adapter can use. */
export const driverNames: readonly string[] = ['kafkajs', 'platformatic'] satisfies readonly KafkaOptions['driver'][]
/** A group that has just lost a member takes a session timeout to find out, and a moment to share its work again. */
const settleMs = 20_000

/** A Kafka of this run alone, with one broker or three. */
export const createKafkaTarget: CreateTarget = async ({ version = '4.3', nodes, driver, progress }) => {
  if (!versions.includes(version)) throw new Error(`There is Kafka ${versions.join(', ')}, not ${version}`)
  const kafka = await acquireKafka({ version: version as KafkaVersion, nodes, fresh: true, progress })
  const { control, brokers } = kafka
  if (control === undefined) throw new Error('a fresh broker can be controlled')
  const offsets = createOffsetWatch(brokers)
  const cluster = { control, brokers }
  const proxies = await createKafkaProxies(brokers)
  return {
    name: 'kafka',
    version: kafka.version,
    kinds: {
      ...kafkaFaults(cluster),
      ...kafkaGroupFaults(proxies),
      ...kafkaTopicFaults({ brokers, offsets }),
      ...kafkaPoison(brokers),
      ...(nodes === 3 ? kafkaClusterFaults(cluster) : {}),
    },
    offsets,
    openProxies: () => Promise.resolve(proxies),
    // A group waits a session for members that died, and a rebalance for the others.
    maxStallMs: 30_000,
    // A client opens one to each broker for each of its purposes when it needs them: consumers, an admin client, sending.
    maxMoreSockets: 16 * nodes,
    // As often as the pauses of the producer let it send in the longest time without answers, and a few.
    maxCopies: 10,
    crew: directCrew,
    steadyFlows: steadyDirectFlows,
    serversOf: (role, through) => ({
      flows: directFlows,
      transport: transportConfig(through.of(directWay(role)), driver),
    }),
    // A controller that confirmed a topic has it on disk.
    declared: () => Promise.resolve(),
    missing: () => missingConsumers(brokers, directCrew.consumer),
    diagnose: () => diagnose(brokers),
    log: () => control.log(),
    async close() {
      await Promise.all([offsets.close(), proxies.close()])
      await kafka.release()
    },
  }
}

/** How a process reaches the brokers through proxies. Dead peers are found in seconds, so that short faults are enough to be taken for death. */
function transportConfig(through: readonly FaultProxy[], driver: string | undefined): TransportConfig {
  return {
    kind: 'kafka',
    options: {
      brokers: through.map(({ url }) => url),
      ...(driver === undefined ? {} : { driver: driver as NonNullable<KafkaOptions['driver']> }),
      connectTimeoutMs: 3_000,
      requestTimeoutMs: 4_000,
      sessionTimeoutMs: 6_000,
      heartbeatIntervalMs: 1_000,
      watchdogIntervalMs: 5_000,
      metadataMaxAgeMs: 5_000,
      reconnect: { firstMs: 100, maxMs: 1_000 },
    },
  }
}

async function missingConsumers(brokers: readonly string[], expected: number): Promise<readonly string[]> {
  const end = performance.now() + settleMs
  for (;;) {
    const missing = await withAdmin(brokers, async (admin) => {
      const groupIds = directFlows
        .map((key) => flows[key])
        .map(({ contract, group }) => `${contract.destination}.${group}`)
      const { groups } = await admin.describeGroups(groupIds)
      return groups
        .filter(({ members, state }) => members.length !== expected || state !== 'Stable')
        .map(({ groupId, members, state }) => `${groupId} is ${state} with ${members.length} consumers of ${expected}`)
    })
    if (missing.length === 0 || performance.now() > end) return missing
    await sleep(500)
  }
}

async function diagnose(brokers: readonly string[]): Promise<string> {
  return withAdmin(brokers, async (admin) => {
    const topics = await admin.listTopics()
    const groups = groupsOf(topics)
    const described = await admin.describeGroups([...groups.keys()])
    const offsets: unknown[] = []
    for (const [groupId, topic] of groups) {
      const committed = await admin.fetchOffsets({ groupId, topics: [topic] }).catch(String)
      const ends = await admin.fetchTopicOffsets(topic).catch(String)
      offsets.push({ groupId, topic, committed, ends })
    }
    const { topics: metadata } = await admin.fetchTopicMetadata({ topics: [...topics] })
    const members = described.groups.map(({ groupId, state, members: all }) => ({
      groupId,
      state,
      members: all.map(({ memberId, clientId }) => `${clientId} ${memberId}`),
    }))
    return JSON.stringify({ members, offsets, metadata }, undefined, 1)
  })
}
