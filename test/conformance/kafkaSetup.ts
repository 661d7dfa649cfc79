import { createKafka } from '@posthorn/kafka'
import type { ConformanceSetup, Leftovers } from '@posthorn/testing'
import { Kafka, logLevel } from 'kafkajs'
import { addressFrom } from './addressFrom.js'

/** The suite on the Kafka of the environment; few partitions, since each one costs the broker memory. */
export function kafkaSetup(driver: 'kafkajs' | 'platformatic'): ConformanceSetup {
  const brokers = addressFrom('POSTHORN_KAFKA_BROKERS').split(',')
  const sasl = { mechanism: 'plain', username: 'someone', password: 's3cret-word' } as const
  const { maxBodyBytes } = createKafka({ brokers }).capabilities
  return {
    createTransport: () => createKafka({ brokers, driver, partitions: 3 }),
    createUnreachableTransport: () => createKafka({ brokers: ['127.0.0.1:9'], driver, sasl }),
    secret: 's3cret-word',
    capabilities: {
      routed: false,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs: undefined,
      maxBodyBytes,
      binaryPrefix: 'ce_',
    },
    discard: (leftovers) => discardFrom(brokers, leftovers),
  }
}

async function discardFrom(brokers: readonly string[], { destinations }: Leftovers): Promise<void> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const all = await admin.listTopics()
  const topics = all.filter((topic) => destinations.some((name) => topic === name || topic.startsWith(`${name}.`)))
  if (topics.length > 0) await admin.deleteTopics({ topics })
  await admin.disconnect()
}
