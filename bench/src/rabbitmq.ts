import { randomUUID } from 'node:crypto'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { connect } from 'amqplib'
import type { ChannelModel, ConfirmChannel } from 'amqplib'
import { addressesFrom } from './addresses.js'
import { createBareWork } from './bareWork.js'
import { slidingWindow } from './measure.js'
import type { Contender, Operation } from './measure.js'
import { makeOrder, orderContract } from './orderEvent.js'
import { declareGroup, ourConsumer, ourPublisher } from './ours.js'
import type { OurSetUp } from './ours.js'

const width = 256
const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

/** The operations of `npm run bench -- rabbitmq`, on quorum queues; the budgets are those of the project's cost table. */
export function rabbitMqOperations(): Operation[] {
  const urls = addressesFrom('POSTHORN_RABBITMQ_URL')
  const createTransport = (): ReturnType<typeof createRabbitMq> => createRabbitMq({ urls })
  return [
    {
      operation: 'publish',
      against: 'amqplib + ajv by hand, confirm, mandatory, persistent',
      budget: { rateRatio: 0.95, cpuRatio: 1.05 },
      async open() {
        const [mine, theirs] = [`bench-${randomUUID()}`, `bench-${randomUUID()}`]
        const ours: OurSetUp = { createTransport, contract: orderContract(mine), width }
        await declareGroup(ours, 'sink')
        const model = await connect(urls[0]!)
        const bare = await barePublisher(model, theirs)
        const publisher = await ourPublisher(ours)
        const prepare = (): Promise<void> => purge(model, `${mine}.sink`)
        const close = async (): Promise<void> => {
          await publisher.close()
          await removeGroup(urls[0]!, mine, 'sink')
        }
        return { bare, ours: { ...publisher, prepare, close } }
      },
    },
    {
      operation: 'consume',
      against: 'amqplib + ajv by hand, prefetch 256, one ack per message',
      budget: { rateRatio: 1.1, cpuRatio: 0.9 },
      async open() {
        const [mine, theirs] = [`bench-${randomUUID()}`, `bench-${randomUUID()}`]
        const ours: OurSetUp = { createTransport, contract: orderContract(mine), width }
        await declareGroup(ours, 'billing')
        const bare = await bareConsumer(await connect(urls[0]!), theirs)
        const consumer = ourConsumer(ours, 'billing')
        const close = async (): Promise<void> => {
          await consumer.close()
          await removeGroup(urls[0]!, mine, 'billing')
        }
        return { bare, ours: { ...consumer, close } }
      },
    },
  ]
}

async function declareBare(channel: ConfirmChannel, name: string): Promise<void> {
  await channel.assertExchange(name, 'topic', { durable: true })
  await channel.assertQueue(name, quorum)
  await channel.bindQueue(name, name, '#')
}

async function publishBare(channel: ConfirmChannel, name: string, messages: number): Promise<void> {
  const work = createBareWork()
  const options = { persistent: true, mandatory: true, contentType: 'application/json' }
  await slidingWindow(messages, width, (index) => {
    const body = work.encode(makeOrder(index, 1000))
    return new Promise<void>((resolve, reject) => {
      channel.publish(name, 'order', body, { ...options, messageId: `id-${index}` }, (error: unknown) =>
        error ? reject(error) : resolve(),
      )
    })
  })
}

async function barePublisher(model: ChannelModel, name: string): Promise<Contender> {
  const channel = await model.createConfirmChannel()
  await declareBare(channel, name)
  return {
    name: `amqplib + ajv, window ${width}`,
    prepare: () => purge(model, name),
    run: (messages) => publishBare(channel, name, messages),
    close: () => removeBare(model, channel, name),
  }
}

async function bareConsumer(model: ChannelModel, name: string): Promise<Contender> {
  const channel = await model.createConfirmChannel()
  await declareBare(channel, name)
  const work = createBareWork()
  return {
    name: `amqplib + ajv, prefetch ${width}`,
    prepare: (messages) => publishBare(channel, name, messages),
    async run(messages) {
      const consuming = await model.createChannel()
      await consuming.prefetch(width)
      let handled = 0
      await new Promise<void>((resolve, reject) => {
        const onMessage = (message: { content: Buffer } | null): void => {
          if (message === null) return reject(new Error('the broker cancelled the consumer'))
          work.decode(message.content)
          consuming.ack(message as never)
          handled += 1
          if (handled === messages) resolve()
        }
        consuming.consume(name, onMessage as never).catch(reject)
      })
      await consuming.close()
    },
    close: () => removeBare(model, channel, name),
  }
}

async function purge(model: ChannelModel, queue: string): Promise<void> {
  const channel = await model.createChannel()
  await channel.purgeQueue(queue)
  await channel.close()
}

async function removeBare(model: ChannelModel, channel: ConfirmChannel, name: string): Promise<void> {
  await channel.deleteQueue(name)
  await channel.deleteExchange(name)
  await model.close()
}

async function removeGroup(url: string, destination: string, group: string): Promise<void> {
  const model = await connect(url)
  const channel = await model.createChannel()
  const rungs = ['', '.dead', '.retry.1000', '.retry.5000', '.retry.30000']
  for (const rung of rungs) await channel.deleteQueue(`${destination}.${group}${rung}`)
  await channel.deleteExchange(destination)
  await model.close()
}
