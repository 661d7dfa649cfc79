/*
 * A process that consumes what stands in a queue and measures itself, for `rabbitmq.ts`: one of ours or one by hand. Its
 * arguments: who, the queue's name, how many messages to measure, and how many to handle before that.
 */
import { createService, on, silentLogger } from '@posthorn/core'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { connect } from 'amqplib'
import { addressesFrom } from './addresses.js'
import { createBareWork } from './bareWork.js'
import { measureConsumption } from './measureConsumption.js'
import type { Consume } from './measureConsumption.js'
import { orderContract } from './orderEvent.js'

const [who = '', name = '', messages = '', warmUp = ''] = process.argv.slice(2)
const url = addressesFrom('POSTHORN_RABBITMQ_URL')[0]!

const width = 256

const ours: Consume = async (onMessage) => {
  const service = createService({ source: '/bench', logger: silentLogger, transport: createRabbitMq({ urls: [url] }) })
  service.consume('billing', { handlers: [on(orderContract(name), onMessage)], maxInFlight: width })
  await service.start()
  return () => service.stop()
}

const bare: Consume = async (onMessage) => {
  const model = await connect(url)
  const channel = await model.createChannel()
  await channel.prefetch(width)
  const work = createBareWork()
  await channel.consume(name, (message) => {
    if (message === null) return
    work.decode(message.content)
    channel.ack(message)
    onMessage()
  })
  return () => model.close()
}

const sample = await measureConsumption(who === 'ours' ? ours : bare, Number(messages), Number(warmUp))
process.stdout.write(`${JSON.stringify(sample)}\n`)
