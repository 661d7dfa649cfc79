import kafkajs from 'kafkajs'
import { addressesFrom } from './addresses.js'
import { openConsumers } from './kafkaConsumers.js'
import { openPublishers } from './kafkaPublishers.js'
import type { Operation } from './measure.js'

const partitions = 6

/** The operations of `npm run bench -- kafka`, six partitions, acks from all; budgets of the project's cost table. */
export function kafkaOperations(): Operation[] {
  const brokers = addressesFrom('POSTHORN_KAFKA_BROKERS')
  const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING })
  return [
    {
      operation: 'publish',
      against: 'kafkajs + ajv, one send per message',
      budget: { rateRatio: 3 },
      open: () => openPublishers(client, { partitions, batch: 1, warmUpCount: 15_000 }),
    },
    {
      operation: 'publish-against-batches',
      against: 'kafkajs + ajv, send of 100 by hand',
      budget: { rateRatio: 0.95, cpuRatio: 1.15 },
      open: () => openPublishers(client, { partitions, batch: 100, warmUpCount: 15_000 }),
    },
    {
      operation: 'publish-second-driver',
      against: 'the same on kafkajs',
      budget: {},
      open: () => openPublishers(client, { partitions, batch: 'drivers', warmUpCount: 15_000 }),
    },
    {
      operation: 'consume',
      against: 'kafkajs eachMessage + ajv',
      budget: { rateRatio: 1, cpuRatio: 1 },
      open: () => openConsumers(client, brokers, { partitions, keys: 1_000, warmUpCount: 40_000, handler: 'fast' }),
    },
    {
      operation: 'consume-slow-handlers',
      against: 'kafkajs eachMessage + ajv, handlers of 20 ms, 1 partition, 100 keys',
      budget: { rateRatio: 10 },
      maxMessages: 200,
      open: () => openConsumers(client, brokers, { partitions: 1, keys: 100, warmUpCount: 100, handler: 'slow' }),
    },
  ]
}
