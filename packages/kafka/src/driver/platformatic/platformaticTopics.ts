import { deleteTopicsV6, describeConfigsV4, describeGroupsV5 } from '@platformatic/kafka'
import { DriverError } from '../driverError.js'
import type { TopicDescription } from '../driver.js'
import type { Cluster } from './cluster.js'
import { answerIn, errorOfCode } from './platformaticErrors.js'

/** By Kafka's number for settings of a topic. */
const topicResource = 2

/** What a topic is; undefined when there is none. */
export async function describeTopic(cluster: Cluster, topic: string): Promise<TopicDescription | undefined> {
  try {
    const { partitions } = await cluster.topic(topic)
    const replicationFactor = Math.min(...[...partitions.values()].map(({ copies }) => copies))
    return { partitions: partitions.size, replicationFactor, configs: await readConfigs(cluster, topic) }
  } catch (error) {
    if (error instanceof DriverError && error.kind === 'unknownTopic') return undefined
    throw error
  }
}

async function readConfigs(cluster: Cluster, topic: string): Promise<TopicDescription['configs']> {
  const link = await cluster.anyLink()
  const { results } = await link
    .request(describeConfigsV4.api, [[{ resourceType: topicResource, resourceName: topic }], false, false])
    .catch((error: unknown) => answerIn<describeConfigsV4.DescribeConfigsResponse>(error))
  const doing = `Reading the settings of topic ${topic}`
  const [told] = results
  if (told === undefined) throw new DriverError({ kind: 'unavailable', message: `${doing}: no answer about it` })
  if (told.errorCode === 0) return Object.fromEntries(told.configs.map(({ name, value }) => [name, value ?? '']))
  const failure = errorOfCode(told.errorCode, doing, told.errorMessage)
  if (failure.kind === 'authorization') return undefined
  throw failure
}

/** One that is gone already is fine. */
export async function deleteTopic(cluster: Cluster, topic: string, timeoutMs: number): Promise<void> {
  const link = await cluster.anyLink()
  const { responses } = await link
    .request(deleteTopicsV6.api, [[{ name: topic }], timeoutMs])
    .catch((error: unknown) => answerIn<deleteTopicsV6.DeleteTopicsResponse>(error))
  const { errorCode, errorMessage } = responses[0] ?? { errorCode: 0, errorMessage: null }
  if (errorCode === 0) return
  const failure = errorOfCode(errorCode, `Deleting topic ${topic}`, errorMessage)
  if (failure.kind !== 'unknownTopic') throw failure
}

/** Kafka's error for a group that never was, in later versions of the answer. */
const groupIdNotFound = 69

export async function memberCount(cluster: Cluster, groupId: string): Promise<number> {
  const link = cluster.linkTo(await cluster.coordinator(groupId), 'control')
  const { groups } = await link
    .request(describeGroupsV5.api, [[groupId], false])
    .catch((error: unknown) => answerIn<describeGroupsV5.DescribeGroupsResponse>(error))
  const [told] = groups
  if (told === undefined || told.errorCode === groupIdNotFound) return 0
  if (told.errorCode !== 0) throw errorOfCode(told.errorCode, `Describing group ${groupId}`)
  return told.members.length
}
