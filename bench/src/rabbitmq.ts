import { randomUUID } from 'node:crypto'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { connect } from 'amqplib'
import type { ChannelModel, ConfirmChannel } from 'amqplib'
import { addressesFrom } from './addresses.js'
import { createBareWork } from './bareWork.js'
import { consumerProcess } from './consumerProcess.js'
import { slidingWindow } from './measure.js'
import type { InProcessContender, Operation } from './measure.js'
import { makeOrder, orderContract } from './orderEvent.js'
import { declareGroup, ourPublisher } from './ours.js'
import type { OurSetUp } from './ours.js'
import { declareBare, purge, removeBare, removeGroup } from './rabbitmqQueues.js'

const width = 256
const consumers = { program: 'rabbitmqConsumer.js', warmUpCount: 40_000 }

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
        const model = await connect(urls[0]!)
        const channel = await model.createConfirmChannel()
        await declareBare(channel, theirs)
        const bare = consumerProcess({
          ...consumers,
          name: `amqplib + ajv, prefetch ${width}`,
          args: ['bare', theirs],
          prepare: (messages) => publishBare(channel, theirs, messages),
          close: () => removeBare(model, channel, theirs),
        })
        const set: OurSetUp = { createTransport, contract: orderContract(mine), width }
        await declareGroup(set, 'billing')
        const publisher = await ourPublisher(set)
        const ours = consumerProcess({
          ...consumers,
          name: `posthorn consume, at most ${width} in flight`,
          args: ['ours', mine],
          prepare: (messages) => publisher.run(messages, () => {}),
          async close() {
            await publisher.close()
            await removeGroup(urls[0]!, mine, 'billing')
          },
        })
        return { bare, ours }
      },
    },
  ]
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

/** By hand, with confirms; its queue and connection go when it is closed. */
export async function barePublisher(model: ChannelModel, name: string): Promise<InProcessContender> {
  const channel = await model.createConfirmChannel()
  await declareBare(channel, name)
  return {
    name: `amqplib + ajv, window ${width}`,
    prepare: () => purge(model, name),
    run: (messages) => publishBare(channel, name, messages),
    close: () => removeBare(model, channel, name),
  }
}
