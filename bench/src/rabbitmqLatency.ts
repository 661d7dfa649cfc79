import { randomUUID } from 'node:crypto'
import { createService, on, silentLogger } from '@posthorn/core'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { connect } from 'amqplib'
import { createBareWork } from './bareWork.js'
import type { Latency, LatencyContender, LatencyOperation } from './latency.js'
import { makeOrder, orderContract } from './orderEvent.js'
import { declareBare, removeBare, removeGroup } from './rabbitmqQueues.js'

/** Latency at 100 messages a second, both sides in one process, publishing and consuming on connections of their own. */
export function rabbitMqLatency(url: string): LatencyOperation {
  return {
    against: 'amqplib + ajv by hand',
    budget: 1.1,
    async open() {
      return { ours: await ourContender(url), bare: await bareContender(url) }
    },
  }
}

/** Messages under way, by what identifies them: when they were published, and who waits for their handler. */
function createStopwatch(): {
  readonly measure: (id: string, publish: () => Promise<unknown>) => Promise<Latency>
  readonly handled: (id: string) => void
} {
  const waiting = new Map<string, (at: number) => void>()
  return {
    async measure(id, publish) {
      const start = performance.now()
      const handled = new Promise<number>((resolve) => waiting.set(id, resolve))
      await publish()
      const confirmMs = performance.now() - start
      return { confirmMs, handledMs: (await handled) - start }
    },
    handled(id) {
      waiting.get(id)?.(performance.now())
      waiting.delete(id)
    },
  }
}

async function ourContender(url: string): Promise<LatencyContender> {
  const destination = `bench-${randomUUID()}`
  const contract = orderContract(destination)
  const stopwatch = createStopwatch()
  const transport = createRabbitMq({ urls: [url] })
  const service = createService({ source: '/bench', logger: silentLogger, transport, publishes: [contract] })
  service.consume('latency', {
    handlers: [on(contract, ({ data }) => stopwatch.handled(data.orderId))],
  })
  await service.start()
  let index = 0
  return {
    name: 'posthorn',
    once() {
      const order = makeOrder(index++, 1000)
      return stopwatch.measure(order.orderId, () => service.publish(contract, order))
    },
    async close() {
      await service.stop()
      await removeGroup(url, destination, 'latency')
    },
  }
}

async function bareContender(url: string): Promise<LatencyContender> {
  const name = `bench-${randomUUID()}`
  const [publishing, consuming] = [await connect(url), await connect(url)]
  const channel = await publishing.createConfirmChannel()
  await declareBare(channel, name)
  const work = createBareWork()
  const stopwatch = createStopwatch()
  const receiving = await consuming.createChannel()
  await receiving.prefetch(256)
  await receiving.consume(name, (message) => {
    if (message === null) return
    stopwatch.handled(work.decode(message.content).orderId)
    receiving.ack(message)
  })
  let index = 0
  const options = { persistent: true, mandatory: true, contentType: 'application/json' }
  return {
    name: 'amqplib + ajv',
    once() {
      const order = makeOrder(index++, 1000)
      return stopwatch.measure(order.orderId, () => {
        const body = work.encode(order)
        return new Promise<void>((resolve, reject) => {
          channel.publish(name, 'order', body, { ...options, messageId: `id-${index}` }, (error: unknown) =>
            error ? reject(error) : resolve(),
          )
        })
      })
    },
    async close() {
      await consuming.close()
      await removeBare(publishing, channel, name)
    },
  }
}
