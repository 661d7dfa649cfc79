import { createKafka } from '@posthorn/kafka'
import type { ConformanceSetup } from '@posthorn/testing'
import { addressFrom } from './addressFrom.js'

/** The suite on the Kafka of the environment. */
export function kafkaSetup(): ConformanceSetup {
  const brokers = addressFrom('POSTHORN_KAFKA_BROKERS').split(',')
  const sasl = { mechanism: 'plain', username: 'someone', password: 's3cret-word' } as const
  return {
    createTransport: () => createKafka({ brokers }),
    createUnreachableTransport: () => createKafka({ brokers: ['127.0.0.1:9'], sasl }),
    secret: 's3cret-word',
    capabilities: {
      routed: false,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs: undefined,
      maxBodyBytes: createKafka({ brokers }).capabilities.maxBodyBytes,
      binaryPrefix: 'ce_',
    },
  }
}
