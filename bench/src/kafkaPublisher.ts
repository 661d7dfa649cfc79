/*
 * A process that publishes to a topic and measures itself, for `kafkaPublishers.ts`: one of ours or one by hand. Its
 * arguments: who (`ours`, `platformatic` for ours on that driver, or how many messages by hand share a send), the topic, how many messages to measure, and how many
 * to publish before that.
 */
import { createKafka } from '@posthorn/kafka'
import kafkajs from 'kafkajs'
import { addressesFrom } from './addresses.js'
import { bareKafkaPublisher } from './bareKafkaPublisher.js'
import { kafkaDriver } from './kafkaDriver.js'
import type { InProcessContender, Sample } from './measure.js'
import { orderContract } from './orderEvent.js'
import { ourPublisher } from './ours.js'

const [who = '', topic = '', messages = '', warmUp = ''] = process.argv.slice(2)
const brokers = addressesFrom('POSTHORN_KAFKA_BROKERS')
const width = 2_000

function open(): Promise<InProcessContender> {
  if (who === 'ours' || who === 'platformatic') {
    const contract = orderContract(topic, { keyed: true })
    const driver = who === 'ours' ? kafkaDriver() : ({ driver: 'platformatic' } as const)
    return ourPublisher({ createTransport: () => createKafka({ brokers, ...driver }), contract, width })
  }
  const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING })
  return bareKafkaPublisher(client, { topic, batch: Number(who), width })
}

async function measure(count: number, before: number): Promise<Sample> {
  const publisher = await open()
  await publisher.run(before, () => {})
  const cpu = process.cpuUsage()
  const start = performance.now()
  await publisher.run(count, () => {})
  const elapsedMs = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  await publisher.close()
  return { rate: (count / elapsedMs) * 1000, cpuMicros: (user + system) / count }
}

process.stdout.write(`${JSON.stringify(await measure(Number(messages), Number(warmUp)))}\n`)
