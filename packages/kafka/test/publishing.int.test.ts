import { describe, expect, it } from 'vitest'
import zlib from 'node:zlib'
import kafkajs from 'kafkajs'
import {
  brokersFromEnvironment,
  collect,
  inMs,
  send,
  subscriptionTo,
  uniqueName,
  wireMessage,
} from './support/broker.js'
import { sharedKafka } from './support/testKafka.js'

const bench = sharedKafka()

const zstd = 'zstdCompress' in zlib ? (['zstd'] as const) : []
const codecs = ['none', 'gzip', 'snappy', 'lz4', ...zstd] as const
const ways = [{ fastPath: true }, { fastPath: false }, { driver: 'platformatic' as const }]

describe('publishing with compression', () => {
  it.each(codecs.flatMap((compression) => ways.map((way) => ({ compression, ...way }))))(
    'is confirmed, and read as it was: %o',
    async (options) => {
      const orders = uniqueName('orders')
      const transport = await bench.connect({ ...options, partitions: 1 }, [orders])
      const got = await collect(transport, { subscription: subscriptionTo(orders) })
      const texts = Array.from({ length: 200 }, (_, index) => `${index}:${'käse '.repeat(300)}`)
      await Promise.all(
        texts.map((text) => send(transport, orders, wireMessage({ id: text.slice(0, 9), body: Buffer.from(text) }))),
      )
      await got.until((now) => now.texts.length === texts.length)
      expect(got.texts).toEqual(texts)
    },
  )
})

describe('the time of a record', () => {
  it.each([
    ['LogAppendTime', 'broker'],
    ['LogAppendTime', 'ours'],
    ['CreateTime', 'ours'],
  ] as const)('is the broker’s or ours, as topic (%s) and option (%s) say', async (type, timestamps) => {
    const orders = uniqueName('orders')
    const admin = await bench.admin()
    const configEntries = [{ name: 'message.timestamp.type', value: type }]
    await admin.createTopics({ topics: [{ topic: orders, numPartitions: 1, configEntries }], waitForLeaders: true })
    const transport = await bench.connect({ timestamps, topology: 'none' }, [orders])
    const before = Date.now()
    await send(transport, orders, wireMessage({ id: 'm' }))
    const [timestamp] = await timestampsOf(orders, 1)
    expect(timestamp).toBeGreaterThanOrEqual(before - 1_000)
    expect(timestamp).toBeLessThanOrEqual(Date.now() + 1_000)
  })

  it('is none where neither says it, which brokers take', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ timestamps: 'broker', partitions: 1 }, [orders])
    await send(transport, orders, wireMessage({ id: 'm' }))
    expect(await timestampsOf(orders, 1)).toEqual([-1])
  })
})

async function timestampsOf(topic: string, count: number): Promise<number[]> {
  const kafka = new kafkajs.Kafka({ brokers: brokersFromEnvironment(), logLevel: kafkajs.logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: uniqueName('reader') })
  const timestamps: number[] = []
  try {
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ message }: { message: { timestamp: string } }): Promise<void> => {
        timestamps.push(Number(message.timestamp))
        if (timestamps.length === count) resolve()
      }
      consumer.run({ eachMessage }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
  return timestamps
}

describe('a message larger than its topic takes, between small ones', () => {
  it('is refused alone', async () => {
    const orders = uniqueName('orders')
    const admin = await bench.admin()
    const configEntries = [{ name: 'max.message.bytes', value: '1000000' }]
    await admin.createTopics({ topics: [{ topic: orders, numPartitions: 1, configEntries }], waitForLeaders: true })
    const transport = await bench.connect({ maxBodyBytes: 3_000_000 }, [orders])
    const sizes = Array.from({ length: 101 }, (_, index) => (index === 50 ? 2_000_000 : 200))
    const outcomes = await Promise.allSettled(
      sizes.map((size, index) => {
        const message = wireMessage({ id: `m-${index}`, body: Buffer.alloc(size) })
        return transport.send({ destination: orders }, message, { deadline: inMs(20_000) })
      }),
    )
    expect(outcomes[50]).toMatchObject({ reason: { code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent' } })
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(100)
  })
})
