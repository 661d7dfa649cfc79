import kafkajs from 'kafkajs'
import type { Kafka } from 'kafkajs'
import { createBareWork } from './bareWork.js'
import { slidingWindow } from './measure.js'
import type { InProcessContender } from './measure.js'
import { makeOrder } from './orderEvent.js'
import type { Order } from './orderEvent.js'

export interface BarePublisherParts {
  readonly topic: string
  /** Messages of one `send`. */
  readonly batch: number
  /** Messages under way at once. */
  readonly width: number
  /** @default 1_000 */
  readonly keys?: number
}

/** What somebody writes by hand: messages are validated, encoded, and sent `batch` at a time. */
export async function bareKafkaPublisher(client: Kafka, parts: BarePublisherParts): Promise<InProcessContender> {
  const { topic, batch, width, keys = 1_000 } = parts
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
        const list = Array.from({ length: size }, (_, offset) => messageOf(makeOrder(index * batch + offset, keys)))
        return producer.send({ topic, acks: -1, messages: list })
      })
    },
    close: () => producer.disconnect(),
  }
}
