import { describe, expect, it } from 'vitest'
import type { Transport } from '@posthorn/core/adapter'
import { collect, eventually, inMs, isDone, send, subscriptionTo, uniqueName, wireMessage } from './support/broker.js'
import { ownKafka } from './support/testKafka.js'

const kafka = ownKafka({ nodes: 3 })
const { bench } = kafka

/** A topic on all three brokers, and the number of the node that leads its first partition. */
async function createTopic(minInSync: number): Promise<{ topic: string; leader: () => Promise<number> }> {
  const topic = uniqueName('orders')
  const admin = await bench.admin()
  const configEntries = [{ name: 'min.insync.replicas', value: `${minInSync}` }]
  const topics = [{ topic, numPartitions: 6, replicationFactor: 3, configEntries }]
  // A broker that the test before has killed may not count yet.
  await eventually(() => isDone(admin.createTopics({ topics, waitForLeaders: false })), Boolean)
  const leader = async (): Promise<number> => {
    const [metadata, cluster] = await Promise.all([
      admin.fetchTopicMetadata({ topics: [topic] }),
      admin.describeCluster(),
    ])
    const node = metadata.topics[0]?.partitions.find(({ partitionId }) => partitionId === 0)?.leader
    const broker = cluster.brokers.find(({ nodeId }) => nodeId === node)
    return broker === undefined ? 0 : kafka.brokers.indexOf(`${broker.host}:${broker.port}`) + 1
  }
  // A broker that has not heard of the topic yet says that there is none.
  await eventually(
    () => leader().catch(() => 0),
    (node) => node > 0,
  )
  return { topic, leader }
}

async function publishAll(transport: Transport, topic: string, during: (confirmed: number) => void): Promise<string[]> {
  const confirmed: string[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < 3_000) {
      const id = `m-${next++}`
      const message = wireMessage({ id, ...(next % 3 === 0 ? {} : { partitionKey: `k${next % 97}` }) })
      await transport.send({ destination: topic }, message, { deadline: inMs(60_000) })
      confirmed.push(id)
      during(confirmed.length)
    }
  }
  await Promise.all(Array.from({ length: 100 }, worker))
  return confirmed
}

describe('three brokers, and one that is killed', () => {
  it.each(['kafkajs', 'platformatic'] as const)(
    'lose nothing that was confirmed, and refuse nothing: %s',
    async (driver) => {
      const { topic, leader } = await createTopic(2)
      const transport = await bench.connect({ driver, topology: 'none' }, [topic])
      const victim = await leader()
      let killed: Promise<void> | undefined
      const confirmed = await publishAll(transport, topic, (count) => {
        if (count >= 1_000) killed ??= kafka.control.kill(victim)
      })
      await killed
      await kafka.control.start(victim)
      expect(confirmed).toHaveLength(3_000)
      const got = await collect(transport, { subscription: subscriptionTo(topic) })
      await got.until(({ texts }) => new Set(texts).size === 3_000, 60_000)
    },
  )
})

describe('fewer replicas in sync than a topic asks for', () => {
  it('are waited for, refused at the deadline as not sent, and found again', async () => {
    const { topic, leader } = await createTopic(3)
    const transport = await bench.connect({ topology: 'none' }, [topic])
    await send(transport, topic, wireMessage({ id: 'before' }))
    const victim = ((await leader()) % 3) + 1
    await kafka.control.kill(victim)
    try {
      // The broker that is gone counts as in sync until the others have noticed.
      const refused = await eventually(
        () =>
          transport
            .send({ destination: topic }, wireMessage({ id: 'during' }), { deadline: inMs(2_000) })
            .then(() => undefined)
            .catch((error: unknown) => error as { code: string; outcome: string }),
        (error) => error?.code === 'POSTHORN_PUBLISH_REFUSED' && error.outcome === 'notSent',
        // What was sent before that is answered after requestTimeoutMs (Kafka 4 does not let the high watermark pass with
        // too few replicas), and until then the broker reads nothing else from that connection.
        120_000,
      )
      expect(refused).toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent' })
      const waiting = send(transport, topic, wireMessage({ id: 'after' }))
      await kafka.control.start(victim)
      await waiting
    } finally {
      await kafka.control.start(victim)
    }
  })
})
