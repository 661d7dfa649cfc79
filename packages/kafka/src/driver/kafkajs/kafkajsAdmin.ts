import kafkajs from 'kafkajs'
import type { Admin } from 'kafkajs'
import { DriverError } from '../driverError.js'
import type {
  CommittedOffset,
  DriverAdmin,
  DriverSettings,
  LogOffsets,
  TopicDescription,
  TopicToCreate,
} from '../driver.js'
import { createKafkajsClient } from './kafkajsClient.js'
import type { KafkajsClient } from './kafkajsClient.js'
import { toDriverError, typeOf } from './kafkajsErrors.js'
import { watchClusters } from './kafkajsInternals.js'

/** An admin client of kafkajs, for one question at a time. */
interface Session {
  readonly client: KafkajsClient
  readonly admin: Admin
  readonly connected: Promise<void>
}

/** Kafka's number of it. */
const everything = 0
/**
 * Questions at once. One client may not have two: it keeps one list of topics, and a question that is overtaken finds no
 * partitions. One that hangs must not hold up the others, and each client has a connection to every broker.
 */
const maxSessions = 3

export function createKafkajsAdmin(settings: DriverSettings): DriverAdmin {
  const sessions = new Set<Session>()
  const idle: Session[] = []
  const waiting: (() => void)[] = []
  let busy = 0
  let ended = false

  function open(): Session {
    const client = createKafkajsClient(settings, { retries: 2 })
    // What transactions have not committed yet is part of the log, and of what a group is behind.
    watchClusters(client.kafka, (cluster) => (cluster.isolationLevel = everything))
    const admin = client.kafka.admin()
    const session = { client, admin, connected: admin.connect() }
    sessions.add(session)
    return session
  }

  function discard(old: Session): void {
    sessions.delete(old)
    old.connected.catch(() => {})
    old.admin.disconnect().catch(() => {})
    old.client.sockets.end()
  }

  function refuseEnded(): void {
    if (ended) throw new DriverError({ kind: 'closed', message: 'The driver is closed', written: 'no' })
  }

  /** A failure costs the session: kafkajs asks for every topic it was once asked for, and fails when one of them is gone. */
  async function ask<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    refuseEnded()
    if (busy >= maxSessions) await new Promise<void>((resolve) => waiting.push(resolve))
    else busy += 1
    try {
      refuseEnded()
      return await answer(doing, question)
    } finally {
      const next = waiting.shift()
      if (next === undefined) busy -= 1
      else next()
    }
  }

  async function answer<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    const used = idle.pop()
    if (used !== undefined) {
      try {
        return await answerWith(used, doing, question)
      } catch (error) {
        // It may be another topic that is gone, one that this client was asked for before.
        if (!(error instanceof DriverError && error.kind === 'unknownTopic')) throw error
      }
    }
    refuseEnded()
    return answerWith(open(), doing, question)
  }

  async function answerWith<T>(session: Session, doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    try {
      await session.connected
      const value = await question(session.admin)
      if (!ended) idle.push(session)
      return value
    } catch (error) {
      discard(session)
      throw toDriverError(error, doing)
    }
  }

  return {
    // The first request that needs a login: kafkajs itself asks for versions only, which everybody may.
    connect: () => ask('Connecting', async (admin) => void (await admin.describeCluster())),
    async partitionCount(topic) {
      return ask(`Asking for topic ${topic}`, (admin) => countPartitions(admin, topic)).catch(undefinedIfGone)
    },
    topics: () => ask('Listing topics', (admin) => admin.listTopics()),
    createTopics: (topics) => ask(`Creating topics`, (admin) => createTopics(admin, topics, settings.requestTimeoutMs)),
    async describeTopics(topics) {
      const facts = new Map<string, TopicDescription>()
      // One at a time: one that is gone fails the request for all.
      for (const topic of topics) {
        const found = await ask(`Describing topic ${topic}`, (admin) => describeTopic(admin, topic)).catch(
          undefinedIfGone,
        )
        if (found !== undefined) facts.set(topic, found)
      }
      return facts
    },
    async deleteTopic(topic) {
      const deletion = { topics: [topic], timeout: settings.requestTimeoutMs }
      await ask(`Deleting topic ${topic}`, (admin) => admin.deleteTopics(deletion)).catch(undefinedIfGone)
    },
    memberCount: (groupId) =>
      ask(`Describing group ${groupId}`, async (admin) => {
        const { groups } = await admin.describeGroups([groupId])
        return groups.reduce((sum, { members }) => sum + members.length, 0)
      }),
    committed: (groupId, topic) =>
      ask(`Reading the offsets of ${groupId}`, (admin) => readCommitted(admin, groupId, topic)),
    async readableEnds(topic) {
      // Its own client, for one question: kafkajs has one isolation for all questions of a client. By default, this one.
      const client = createKafkajsClient(settings, { retries: 1 })
      const admin = client.kafka.admin()
      const own: Session = { client, admin, connected: admin.connect() }
      sessions.add(own)
      try {
        await own.connected
        const ends = await readLogOffsets(admin, topic)
        return new Map([...ends].map(([partition, { high }]) => [partition, high]))
      } catch (error) {
        throw toDriverError(error, `Reading the ends of topic ${topic}`)
      } finally {
        discard(own)
      }
    },
    logOffsets: (topic) => ask(`Reading the offsets of topic ${topic}`, (admin) => readLogOffsets(admin, topic)),
    end() {
      ended = true
      for (const left of sessions) discard(left)
      for (const next of waiting.splice(0)) next()
    },
  }
}

async function countPartitions(admin: Admin, topic: string): Promise<number> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const partitions = topics.find(({ name }) => name === topic)?.partitions ?? []
  if (partitions.length === 0 || partitions.some(({ leader }) => leader < 0)) {
    throw new DriverError({ kind: 'unavailable', message: `Topic ${topic} has partitions without a leader` })
  }
  return partitions.length
}

async function createTopics(admin: Admin, topics: readonly TopicToCreate[], timeout: number): Promise<void> {
  // One at a time: kafkajs reports several failures as one, in which a race that was lost hides the others.
  for (const { topic, partitions, replicationFactor, configs, beside } of topics) {
    try {
      // Of all topics, one without a leader, or one that is just being deleted, fails the request.
      if (beside !== undefined) await admin.fetchTopicOffsets(beside)
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, replicationFactor, configEntries: entriesOf(configs) }],
        timeout,
        waitForLeaders: false,
      })
    } catch (error) {
      const type = typeOf(error)
      if (type === 'TOPIC_ALREADY_EXISTS') continue
      if (type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
      throw new DriverError({ kind: 'unavailable', message: `Creating ${topic}: another one is gone`, cause: error })
    }
  }
}

function entriesOf(configs: TopicToCreate['configs']): { name: string; value: string }[] {
  return Object.entries(configs).map(([name, value]) => ({ name, value }))
}

function undefinedIfGone(error: unknown): undefined {
  if (error instanceof DriverError && error.kind === 'unknownTopic') return undefined
  throw error
}

async function describeTopic(admin: Admin, topic: string): Promise<TopicDescription> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const partitions = topics.find(({ name }) => name === topic)?.partitions ?? []
  const replicationFactor = Math.min(...partitions.map(({ replicas }) => replicas.length))
  return { partitions: partitions.length, replicationFactor, configs: await readConfigs(admin, topic) }
}

async function readConfigs(admin: Admin, topic: string): Promise<TopicDescription['configs']> {
  try {
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }]
    const answer = await admin.describeConfigs({ resources, includeSynonyms: false })
    const entries = answer.resources[0]?.configEntries ?? []
    return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]))
  } catch (error) {
    const { kind } = toDriverError(error, 'Reading settings')
    if (kind === 'authorization' || kind === 'unsupported') return undefined
    throw error
  }
}

/** What the client knows of topics may change while it asks; so often it asks again. */
const maxLooks = 5

/**
 * Covers every partition of the topic, or rejects: where kafkajs does not know the topic at this moment, it asks for no partition
 * at all, and a group with offsets looks like a new one.
 */
export async function readCommitted(
  admin: Pick<Admin, 'fetchTopicMetadata' | 'fetchOffsets'>,
  groupId: string,
  topic: string,
): Promise<ReadonlyMap<number, CommittedOffset>> {
  for (let looks = 0; looks < maxLooks; looks += 1) {
    // Loads the cluster's metadata for this topic alone: with none loaded, kafkajs asks for all topics of the cluster,
    // and fails when any of them has a partition without a leader.
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const answer = await admin.fetchOffsets({ groupId, topics: [topic] })
    const expected = topics.find(({ name }) => name === topic)?.partitions ?? []
    const partitions = answer.find((entry) => entry.topic === topic)?.partitions ?? []
    if (expected.length > 0 && partitions.length >= expected.length) return knownOffsets(partitions)
  }
  throw new DriverError({ kind: 'unavailable', message: `${groupId}: the client has lost sight of topic ${topic}` })
}

type ReadOffsets = Awaited<ReturnType<Admin['fetchOffsets']>>[number]['partitions']

function knownOffsets(partitions: ReadOffsets): ReadonlyMap<number, CommittedOffset> {
  const committed = new Map<number, CommittedOffset>()
  for (const { partition, offset, metadata } of partitions) {
    // Negative: never committed, or reset by kafkajs, which commits "the beginning" as -2.
    if (Number(offset) >= 0) committed.set(partition, { offset: Number(offset), metadata: metadata ?? '' })
  }
  return committed
}

async function readLogOffsets(admin: Admin, topic: string): Promise<ReadonlyMap<number, LogOffsets>> {
  const offsets = await admin.fetchTopicOffsets(topic)
  return new Map(offsets.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]))
}
