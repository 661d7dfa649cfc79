import kafkajs from 'kafkajs'
import { addressesFrom } from './addresses.js'
import { createTopics, deleteTopics } from './kafkaTopics.js'
import { removeGroup } from './rabbitmqQueues.js'
import type { TracingPlace } from './tracing.js'

const nothing = (): Promise<void> => Promise.resolve()

/** Where `npm run bench -- <transport> --tracing` measures: a quorum queue, or a topic with six partitions, for each contender. */
export const tracingPlaces: Readonly<Record<string, () => TracingPlace>> = {
  memory: () => ({ transport: 'memory', prepare: nothing, remove: nothing }),
  rabbitmq: () => ({
    transport: 'rabbitmq',
    prepare: nothing,
    async remove(destinations) {
      const url = addressesFrom('POSTHORN_RABBITMQ_URL')[0]!
      for (const destination of destinations) await removeGroup(url, destination, 'billing')
    },
  }),
  kafka() {
    const brokers = addressesFrom('POSTHORN_KAFKA_BROKERS')
    const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING })
    return {
      transport: 'kafka',
      prepare: (destinations) => createTopics(client, destinations, 6),
      remove: (destinations) => deleteTopics(client, destinations),
    }
  },
}
