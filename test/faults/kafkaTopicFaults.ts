import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { withAdmin } from './kafkaAdmin.js'
import type { OffsetWatch } from './kafkaOffsets.js'
import type { FaultContext, FaultKind } from './target.js'
import { flows, work } from './traffic.js'

const workGroup = `${work.destination}.${flows.w.group}`
const rungTopic = `${workGroup}.retry.${flows.w.delaysMs[0]}`
const deadTopic = `${workGroup}.dead`

export interface TopicFaultParts {
  /** Of the brokers, not of proxies. */
  readonly brokers: readonly string[]
  readonly offsets: OffsetWatch
}

/** What an operator can do to topics and offsets. */
export function kafkaTopicFaults(parts: TopicFaultParts): Readonly<Record<string, FaultKind>> {
  return {
    topicDeleted: { minMs: 500, maxMs: 2_000, inject: (context) => deleted(parts, work.destination, context) },
    rungDeleted: { minMs: 500, maxMs: 2_000, inject: (context) => deleted(parts, rungTopic, context) },
    offsetsOutOfRange: { minMs: 500, maxMs: 1_000, inject: (context) => outOfRange(parts, context) },
    deadLettersRefused: { minMs: 3_000, maxMs: 6_000, inject: (context) => refused(parts, context) },
    partitionAdded: { minMs: 500, maxMs: 1_000, inject: () => partitionAdded(parts) },
  }
}

/**
 * What is in a topic goes with it, by the operator's hand: nothing of the run may be in it. It must be made anew by those
 * who need it.
 */
async function deleted(
  { brokers, offsets }: TopicFaultParts,
  topic: string,
  { drained, resume, note }: FaultContext,
): Promise<() => Promise<void>> {
  await drained()
  note(topic)
  await offsets.checkpoint()
  await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic], timeout: 10_000 }))
  // Until every broker has heard of it, one may confirm what goes with the topic.
  for (const broker of brokers) await eventually(`${broker} knows ${topic}`, async () => !(await knows(broker, topic)))
  offsets.forget(topic)
  resume()
  return () => eventually(`nobody made ${topic} anew`, () => knows(brokers[0]!, topic))
}

function knows(broker: string, topic: string): Promise<boolean> {
  return withAdmin([broker], async (admin) => (await admin.listTopics()).includes(topic))
}

async function eventually(problem: string, condition: () => Promise<boolean>, atMostMs = 30_000): Promise<void> {
  const end = performance.now() + atMostMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`After ${atMostMs} ms ${problem}`)
    await sleep(200)
  }
}

/** Where a group stands, below or above what there is to read. */
async function outOfRange(
  { brokers, offsets }: TopicFaultParts,
  { drained, resume, children, random, note }: FaultContext,
): Promise<() => Promise<void>> {
  await drained()
  const consumers = children.filter(({ role }) => role === 'consumer')
  // Offsets can be set when the group has no members.
  for (const consumer of consumers) await consumer.terminate()
  const beyond = random.pick([-500, 500])
  note(beyond < 0 ? 'below' : 'above')
  await offsets.checkpoint()
  offsets.ignore(work.destination)
  await withAdmin(brokers, (admin) => setBeyond(admin, beyond))
  return async () => {
    for (const consumer of consumers) await consumer.start()
    // Nothing that is published may come to stand below the offset that was set by hand: it would be skipped rightly.
    await eventually('a group stands where nothing is', () => withAdmin(brokers, isInLog))
    offsets.forget(work.destination)
    resume()
  }
}

/** Everything is handled: nothing is lost with the records. */
async function setBeyond(admin: Admin, beyond: number): Promise<void> {
  const topic = work.destination
  const ends = await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({
    topic,
    partitions: ends.map(({ partition, high }) => ({ partition, offset: high })),
  })
  const partitions = ends.map(({ partition, high }) => ({
    partition,
    offset: String(Math.max(0, Number(high) + beyond)),
  }))
  await admin.setOffsets({ groupId: workGroup, topic, partitions })
}

async function isInLog(admin: Admin): Promise<boolean> {
  const topic = work.destination
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map((one) => [one.partition, one]))
  const [committed] = await admin.fetchOffsets({ groupId: workGroup, topics: [topic] })
  return committed!.partitions.every(({ partition, offset }) => {
    const { low, high } = ends.get(partition)!
    return Number(low) <= Number(offset) && Number(offset) <= Number(high)
  })
}

/** A topic of dead letters that takes none: the originals must stay until it does. */
async function refused({ brokers }: TopicFaultParts, { children }: FaultContext): Promise<() => Promise<void>> {
  const readers = children.filter(({ role }) => role === 'reader')
  for (const reader of readers) await reader.terminate()
  const setMaxBytes = (bytes: number): Promise<unknown> =>
    withAdmin(brokers, (admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: deadTopic, configEntries: [{ name: 'max.message.bytes', value: String(bytes) }] }],
      }),
    )
  await setMaxBytes(50)
  return async () => {
    await setMaxBytes(1_048_588)
    for (const reader of readers) await reader.start()
  }
}

/** Somebody has committed for each partition. */
async function isReadWhole(admin: Admin): Promise<boolean> {
  const topic = work.destination
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const [committed] = await admin.fetchOffsets({ groupId: workGroup, topics: [topic] })
  const read = committed!.partitions.filter(({ offset }) => Number(offset) >= 0)
  return read.length === topics[0]!.partitions.length
}

const maxPartitions = 8

/** Keys move to other partitions, so it is a topic without order; all consumers must find the new one. */
async function partitionAdded({ brokers }: TopicFaultParts): Promise<() => Promise<void>> {
  const topic = work.destination
  await withAdmin(brokers, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const count = topics[0]!.partitions.length
    if (count < maxPartitions) await admin.createPartitions({ topicPartitions: [{ topic, count: count + 1 }] })
  })
  // Clients look for new partitions from time to time; what is published to them waits for that.
  return () => eventually('nobody reads the new partition', () => withAdmin(brokers, isReadWhole), 60_000)
}
