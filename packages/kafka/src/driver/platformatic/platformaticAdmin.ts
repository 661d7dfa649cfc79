import { createTopicsV7, listOffsetsV7, offsetFetchV8 } from '@platformatic/kafka'
import { DriverError } from '../driverError.js'
import type { CommittedOffset, DriverAdmin, DriverSettings, TopicDescription, TopicToCreate } from '../driver.js'
import { createCluster } from './cluster.js'
import type { Cluster, TopicFacts } from './cluster.js'
import { answerIn, errorOfCode, toDriverError } from './platformaticErrors.js'
import { deleteTopic, describeTopic, memberCount } from './platformaticTopics.js'

export function createPlatformaticAdmin(settings: DriverSettings): DriverAdmin {
  const cluster = createCluster(settings)

  async function ask<T>(doing: string, question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (error) {
      throw toDriverError(error, doing)
    }
  }

  return {
    connect: () => cluster.connect(),
    async partitionCount(topic) {
      try {
        return countPartitions(await cluster.topic(topic), topic)
      } catch (error) {
        if (error instanceof DriverError && error.kind === 'unknownTopic') return undefined
        throw error
      }
    },
    topics: () => cluster.topicNames(),
    createTopics: (topics) =>
      ask('Creating topics', async () => {
        for (const topic of topics) await createTopic(cluster, topic, settings.requestTimeoutMs)
      }),
    describeTopics: (topics) =>
      ask('Describing topics', async () => {
        const found = await Promise.all(topics.map((topic) => describeTopic(cluster, topic)))
        return new Map(
          topics.flatMap((topic, at): [string, TopicDescription][] => (found[at] ? [[topic, found[at]]] : [])),
        )
      }),
    deleteTopic: (topic) =>
      ask(`Deleting topic ${topic}`, () => deleteTopic(cluster, topic, settings.requestTimeoutMs)),
    memberCount: (groupId) => ask(`Describing group ${groupId}`, () => memberCount(cluster, groupId)),
    committed: (groupId, topic) =>
      ask(`Reading the offsets of ${groupId}`, async () => {
        const { partitions } = await cluster.topic(topic)
        return readCommitted(cluster, groupId, { topic, partitions: [...partitions.keys()] })
      }),
    logOffsets: (topic) =>
      ask(`Reading the offsets of topic ${topic}`, async () => {
        const facts = await cluster.topic(topic)
        countPartitions(facts, topic)
        const [low, high] = await Promise.all(
          [earliest, latest].map((end) => readLogEnds(cluster, { topic, facts, end })),
        )
        return new Map([...facts.partitions.keys()].map((at) => [at, { low: low!.get(at)!, high: high!.get(at)! }]))
      }),
    readableEnds: (topic) =>
      ask(`Reading the ends of topic ${topic}`, async () => {
        const facts = await cluster.topic(topic)
        return readLogEnds(cluster, { topic, facts, end: latest, isolation: committedOnly })
      }),
    end: () => cluster.end(),
  }
}

function countPartitions({ partitions }: TopicFacts, topic: string): number {
  if (partitions.size === 0 || [...partitions.values()].some(({ leader }) => leader < 0)) {
    throw new DriverError({ kind: 'unavailable', message: `Topic ${topic} has partitions without a leader` })
  }
  return partitions.size
}

async function createTopic(cluster: Cluster, wanted: TopicToCreate, timeoutMs: number): Promise<void> {
  const { topic, partitions, replicationFactor } = wanted
  const configs = Object.entries(wanted.configs).map(([name, value]) => ({ name, value }))
  const plan = { name: topic, numPartitions: partitions, replicationFactor, assignments: [], configs }
  const link = await cluster.anyLink()
  const answer = await link
    .request(createTopicsV7.api, [[plan], timeoutMs, false])
    .catch((error: unknown) => answerIn<createTopicsV7.CreateTopicsResponse>(error))
  const told = answer.topics.find(({ name }) => name === topic)
  const doing = `Creating topic ${topic}`
  if (told === undefined) throw new DriverError({ kind: 'unavailable', message: `${doing}: no answer about it` })
  if (told.errorCode !== 0 && told.errorCode !== alreadyExists) {
    throw errorOfCode(told.errorCode, doing, told.errorMessage)
  }
}

const alreadyExists = 36

/** What a group has committed of one topic; partitions without a commit are left out. */
export async function readCommitted(
  cluster: Cluster,
  groupId: string,
  { topic, partitions }: { readonly topic: string; readonly partitions: readonly number[] },
): Promise<Map<number, CommittedOffset>> {
  const doing = `Reading the offsets of ${groupId}`
  try {
    const link = cluster.linkTo(await cluster.coordinator(groupId), 'control')
    const wanted = {
      groupId,
      memberId: null,
      memberEpoch: -1,
      topics: [{ name: topic, partitionIndexes: [...partitions] }],
    }
    const { groups } = await link
      .request(offsetFetchV8.api, [[wanted], true])
      .catch((error: unknown) => answerIn<offsetFetchV8.OffsetFetchResponse>(error))
    const group = groups.find((found) => found.groupId === groupId)
    if (group === undefined) throw new DriverError({ kind: 'unavailable', message: `${doing}: no answer about it` })
    if (group.errorCode !== 0) throw errorOfCode(group.errorCode, doing)
    const committed = new Map<number, CommittedOffset>()
    for (const told of group.topics.find(({ name }) => name === topic)?.partitions ?? []) {
      if (told.errorCode !== 0) throw errorOfCode(told.errorCode, doing)
      const offset = Number(told.committedOffset)
      if (offset >= 0) committed.set(told.partitionIndex, { offset, metadata: told.metadata ?? '' })
    }
    return committed
  } catch (error) {
    // It may have moved; the next question looks for it.
    cluster.forgetCoordinator(groupId)
    throw toDriverError(error, doing)
  }
}

/** By Kafka's numbers for the ends of a log. */
export const earliest = -2n
export const latest = -1n
const everything = 0
const committedOnly = 1

/** One end of each partition, from its leader. */
export async function readLogEnds(
  cluster: Cluster,
  wanted: {
    readonly topic: string
    readonly facts: TopicFacts
    readonly end: bigint
    readonly only?: readonly number[]
    /** Kafka's number of it. @default 0, which is everything */
    readonly isolation?: number
  },
): Promise<Map<number, number>> {
  const { topic, facts, end, only = [...facts.partitions.keys()], isolation = everything } = wanted
  const doing = `Reading the offsets of topic ${topic}`
  const byLeader = new Map<number, number[]>()
  for (const partition of only) {
    const leader = facts.partitions.get(partition)?.leader ?? -1
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition])
  }
  const ends = new Map<number, number>()
  await Promise.all(
    [...byLeader].map(async ([leader, partitions]) => {
      const questions = partitions.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: end }))
      const { topics } = await cluster
        .linkTo(leader, 'control')
        .request(listOffsetsV7.api, [-1, isolation, [{ name: topic, partitions: questions }]])
        .catch((error: unknown) => answerIn<listOffsetsV7.ListOffsetsResponse>(error))
      for (const told of topics.find(({ name }) => name === topic)?.partitions ?? []) {
        if (told.errorCode !== 0) throw errorOfCode(told.errorCode, doing)
        ends.set(told.partitionIndex, Number(told.offset))
      }
    }),
  )
  const missing = only.find((partition) => !ends.has(partition))
  if (missing !== undefined) {
    throw new DriverError({ kind: 'unavailable', message: `${doing}: no answer about partition ${missing}` })
  }
  return ends
}
