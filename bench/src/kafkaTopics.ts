import { setTimeout as pause } from 'node:timers/promises'
import type { Admin, Kafka } from 'kafkajs'

export async function createTopics(client: Kafka, topics: readonly string[], partitions: number): Promise<void> {
  const admin = client.admin()
  await admin.connect()
  try {
    await admin.createTopics({
      waitForLeaders: false,
      topics: topics.map((topic) => ({ topic, numPartitions: partitions })),
    })
    await waitForLeaders(admin, topics)
  } finally {
    await admin.disconnect()
  }
}

/** That of kafkajs fails where a busy broker does not know its new topics yet. */
async function waitForLeaders(admin: Admin, topics: readonly string[]): Promise<void> {
  for (let left = 100; ; left -= 1) {
    try {
      await admin.fetchTopicMetadata({ topics: [...topics] })
      return
    } catch (error) {
      if (left === 0 || (error as { retriable?: boolean }).retriable !== true) throw error
      await pause(100)
    }
  }
}

/** Deletes every topic whose name begins with one of these: retries and dead letters of a group too. */
export async function deleteTopics(client: Kafka, prefixes: readonly string[]): Promise<void> {
  const admin = client.admin()
  await admin.connect()
  const topics = (await admin.listTopics()).filter((topic) => prefixes.some((prefix) => topic.startsWith(prefix)))
  await admin.deleteTopics({ topics })
  await admin.disconnect()
}
