import type { Admin } from 'kafkajs'
import { DriverError } from '../driverError.js'
import type { CommittedOffset, DriverSettings, LogOffsets, TopicToCreate } from '../driver.js'
import { createKafkajsClient } from './kafkajsClient.js'
import type { KafkajsClient } from './kafkajsClient.js'
import { toDriverError, typeOf } from './kafkajsErrors.js'

/** Questions about the cluster, and the creation of topics. */
export interface KafkajsAdmin {
  connect(): Promise<void>
  partitionCount(topic: string): Promise<number | undefined>
  topics(): Promise<readonly string[]>
  createTopics(topics: readonly TopicToCreate[]): Promise<void>
  committed(groupId: string, topic: string): Promise<ReadonlyMap<number, CommittedOffset>>
  logOffsets(topic: string): Promise<ReadonlyMap<number, LogOffsets>>
  /** Breaks connections; what is under way fails. */
  end(): void
}

interface Session {
  readonly client: KafkajsClient
  readonly admin: Admin
  readonly connected: Promise<void>
  underWay: number
  hasFailed: boolean
}

export function createKafkajsAdmin(settings: DriverSettings): KafkajsAdmin {
  /** Those that have failed too, as long as somebody waits for them. */
  const sessions = new Set<Session>()
  let session: Session | undefined
  let ended = false

  function open(): Session {
    if (ended) throw new DriverError({ kind: 'closed', message: 'The driver is closed', written: 'no' })
    const client = createKafkajsClient(settings, { retries: 2 })
    const admin = client.kafka.admin()
    session = { client, admin, connected: admin.connect(), underWay: 0, hasFailed: false }
    sessions.add(session)
    return session
  }

  function discard(old: Session): void {
    sessions.delete(old)
    old.connected.catch(() => {})
    old.admin.disconnect().catch(() => {})
    old.client.sockets.end()
  }

  /**
   * A failure costs the session: kafkajs keeps asking for every topic it was once asked for, and fails each request
   * when one of them is gone. Other questions that are under way are still answered.
   */
  async function ask<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    const current = session ?? open()
    current.underWay += 1
    try {
      await current.connected
      return await question(current.admin)
    } catch (error) {
      current.hasFailed = true
      if (session === current) session = undefined
      throw toDriverError(error, doing)
    } finally {
      current.underWay -= 1
      if (current.hasFailed && current.underWay === 0) discard(current)
    }
  }

  return {
    connect: () => ask('Connecting', async () => {}),
    async partitionCount(topic) {
      try {
        return await ask(`Asking for topic ${topic}`, (admin) => countPartitions(admin, topic))
      } catch (error) {
        if (error instanceof DriverError && error.kind === 'unknownTopic') return undefined
        throw error
      }
    },
    topics: () => ask('Listing topics', (admin) => admin.listTopics()),
    createTopics: (topics) => ask(`Creating topics`, (admin) => createTopics(admin, topics, settings.requestTimeoutMs)),
    committed: (groupId, topic) =>
      ask(`Reading the offsets of ${groupId}`, (admin) => readCommitted(admin, groupId, topic)),
    logOffsets: (topic) => ask(`Reading the offsets of topic ${topic}`, (admin) => readLogOffsets(admin, topic)),
    end() {
      ended = true
      for (const left of sessions) discard(left)
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
  for (const { topic, partitions, replicationFactor, beside } of topics) {
    try {
      // Of all topics, one without a leader, or one that is just being deleted, fails the request.
      if (beside !== undefined) await admin.fetchTopicOffsets(beside)
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, replicationFactor }],
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

async function readCommitted(
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<ReadonlyMap<number, CommittedOffset>> {
  // Loads the cluster's metadata for this topic alone: with none loaded, kafkajs asks for all topics of the cluster,
  // and fails when any of them has a partition without a leader.
  await admin.fetchTopicMetadata({ topics: [topic] })
  const answer = await admin.fetchOffsets({ groupId, topics: [topic] })
  const partitions = answer.find((entry) => entry.topic === topic)?.partitions ?? []
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
