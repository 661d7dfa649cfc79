import { randomUUID } from 'node:crypto'
import { createKafka } from '@posthorn/kafka'
import type { Kafka } from 'kafkajs'
import { bareKafkaPublisher } from './bareKafkaPublisher.js'
import { consumerProcess } from './consumerProcess.js'
import { createTopics, deleteTopics } from './kafkaTopics.js'
import type { Contender } from './measure.js'
import { orderContract } from './orderEvent.js'
import { ourPublisher } from './ours.js'

export interface ConsumersParts {
  readonly partitions: number
  readonly keys: number
  readonly warmUpCount: number
  /** Slow ones take 20 ms for each message. */
  readonly handler: 'fast' | 'slow'
}

const width = 2_000
/** Of slow handlers, many of ours run at once: so many more messages take about as long. */
const slowShare = 20

/** Two consumers on topics of their own, each in a process of its own; see `kafkaConsumer.ts`. */
export async function openConsumers(
  client: Kafka,
  brokers: readonly string[],
  parts: ConsumersParts,
): Promise<{ ours: Contender; bare: Contender }> {
  const { partitions, keys, warmUpCount, handler } = parts
  const [mine, theirs] = [`bench-${randomUUID()}`, `bench-${randomUUID()}`]
  await createTopics(client, [mine, theirs], partitions)
  const contract = orderContract(mine, { keyed: true })
  const publisher = await ourPublisher({ createTransport: () => createKafka({ brokers }), contract, width, keys })
  const filler = await bareKafkaPublisher(client, { topic: theirs, batch: 100, width, keys })
  const common = { program: 'kafkaConsumer.js', warmUpCount }
  const bare = consumerProcess({
    ...common,
    name: `kafkajs eachMessage + ajv, ${partitions} at once`,
    args: ['bare', handler, theirs, `${partitions}`],
    prepare: (messages) => filler.run(messages, () => {}),
    async close() {
      await filler.close()
      await deleteTopics(client, [theirs])
    },
  })
  const ours = consumerProcess({
    ...common,
    name: handler === 'fast' ? 'posthorn consume' : 'posthorn consume, ordered by key',
    args: ['ours', handler, mine, `${partitions}`],
    multiple: handler === 'fast' ? 1 : slowShare,
    prepare: (messages) => publisher.run(messages, () => {}),
    async close() {
      await publisher.close()
      await deleteTopics(client, [mine])
    },
  })
  return { ours, bare }
}
