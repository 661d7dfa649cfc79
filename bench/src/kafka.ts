import { randomUUID } from 'node:crypto'
import { createKafka } from '@posthorn/kafka'
import kafkajs from 'kafkajs'
import type { Kafka } from 'kafkajs'
import { addressesFrom } from './addresses.js'
import { createBareWork } from './bareWork.js'
import { slidingWindow } from './measure.js'
import type { Contender, Operation } from './measure.js'
import { makeOrder, orderContract } from './orderEvent.js'
import type { Order } from './orderEvent.js'
import { ourConsumer, ourPublisher } from './ours.js'
import type { OurSetUp } from './ours.js'

const width = 2_000
const partitions = 6

/** The operations of `npm run bench -- kafka`, six partitions, acks from all; budgets of the project's cost table. */
export function kafkaOperations(): Operation[] {
  const brokers = addressesFrom('POSTHORN_KAFKA_BROKERS')
  const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING })
  const setUp = async (consumer: OurSetUp['consumer'] = {}): Promise<{ ours: OurSetUp; topic: string }> => {
    const [mine, topic] = [`bench-${randomUUID()}`, `bench-${randomUUID()}`]
    await createTopics(client, [mine, topic])
    const contract = orderContract(mine, { keyed: true })
    return { topic, ours: { createTransport: () => createKafka({ brokers }), contract, width, consumer } }
  }
  return [
    {
      operation: 'publish',
      against: 'kafkajs + ajv, one send per message',
      budget: { rateRatio: 3 },
      async open() {
        const { ours, topic } = await setUp()
        return { ours: await ourPublisher(ours), bare: await barePublisher(client, topic, 1) }
      },
    },
    {
      operation: 'publish-against-batches',
      against: 'kafkajs + ajv, send of 100 by hand',
      budget: { rateRatio: 0.95, cpuRatio: 1.15 },
      async open() {
        const { ours, topic } = await setUp()
        return { ours: await ourPublisher(ours), bare: await barePublisher(client, topic, 100) }
      },
    },
    {
      operation: 'consume',
      against: 'kafkajs eachMessage + ajv',
      budget: { rateRatio: 1, cpuRatio: 1 },
      async open() {
        const { ours, topic } = await setUp()
        return { ours: ourConsumer(ours, 'billing'), bare: await bareConsumer(client, topic) }
      },
    },
  ]
}

async function createTopics(client: Kafka, names: readonly string[]): Promise<void> {
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({
    waitForLeaders: true,
    topics: names.map((topic) => ({ topic, numPartitions: partitions })),
  })
  await admin.disconnect()
}

async function barePublisher(client: Kafka, topic: string, batch: number): Promise<Contender> {
  const producer = client.producer({
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  const work = createBareWork()
  const messageOf = (order: Order): { key: string; value: Buffer } => ({ key: order.userId, value: work.encode(order) })
  await producer.connect()
  return {
    name: `kafkajs + ajv, send of ${batch}`,
    async run(messages) {
      const batches = Math.ceil(messages / batch)
      await slidingWindow(batches, Math.ceil(width / batch), (index) => {
        const size = Math.min(batch, messages - index * batch)
        const list = Array.from({ length: size }, (_, offset) => messageOf(makeOrder(index * batch + offset, 1000)))
        return producer.send({ topic, acks: -1, messages: list })
      })
    },
    close: () => producer.disconnect(),
  }
}

async function bareConsumer(client: Kafka, topic: string): Promise<Contender> {
  const filler = await barePublisher(client, topic, 100)
  const work = createBareWork()
  const groupId = `bench-${randomUUID()}`
  return {
    name: 'kafkajs eachMessage + ajv',
    prepare: (messages) => filler.run(messages),
    async run(messages) {
      const consumer = client.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 250 })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      let handled = 0
      await new Promise<void>((resolve, reject) => {
        const eachMessage = ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
          work.decode(message.value!)
          handled += 1
          if (handled === messages) resolve()
          return Promise.resolve()
        }
        consumer.run({ partitionsConsumedConcurrently: partitions, eachMessage }).catch(reject)
      })
      await consumer.disconnect()
    },
    close: () => filler.close(),
  }
}
