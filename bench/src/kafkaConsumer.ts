/*
 * A process that consumes what stands in a topic and measures itself, for `kafkaConsumers.ts`: one of ours or one by hand.
 * Its arguments: who, fast or slow handlers, the topic and its partitions, how many messages to measure, and how many to
 * handle before that.
 */
import { createService, on, silentLogger } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import kafkajs from 'kafkajs'
import { addressesFrom } from './addresses.js'
import { createBareWork } from './bareWork.js'
import { kafkaDriver } from './kafkaDriver.js'
import { measureConsumption } from './measureConsumption.js'
import type { Consume } from './measureConsumption.js'
import { orderContract } from './orderEvent.js'

const [who = '', handler = '', topic = '', partitions = '', messages = '', warmUp = ''] = process.argv.slice(2)
const brokers = addressesFrom('POSTHORN_KAFKA_BROKERS')

const group = 'billing'
const slowMs = 20
const maxInFlight = 2_000

const slowly = (done: () => void): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(() => {
      done()
      resolve()
    }, slowMs)
  })

const ours: Consume = async (onMessage) => {
  const service = createService({
    source: '/bench',
    logger: silentLogger,
    transport: createKafka({ brokers, ...kafkaDriver() }),
  })
  const contract = orderContract(topic, { keyed: true })
  if (handler === 'fast') service.consume(group, { handlers: [on(contract, onMessage)], maxInFlight })
  else {
    const handlers = [on(contract, () => slowly(onMessage))]
    service.consume(group, { handlers, maxInFlight, concurrency: 100, order: { by: 'partitionKey' } })
  }
  await service.start()
  return () => service.stop()
}

const bare: Consume = async (onMessage) => {
  const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING })
  const consumer = client.consumer({
    groupId: `${topic}.${group}`,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 250,
  })
  const work = createBareWork()
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    partitionsConsumedConcurrently: Number(partitions),
    eachMessage: ({ message }) => {
      work.decode(message.value!)
      if (handler === 'slow') return slowly(onMessage)
      onMessage()
      return Promise.resolve()
    },
  })
  return () => consumer.disconnect()
}

const consume = who === 'ours' ? ours : bare
const sample = await measureConsumption(consume, Number(messages), Number(warmUp))
process.stdout.write(`${JSON.stringify(sample)}\n`)
