import { systemClock } from '@posthorn/core/adapter'
import kafkajs from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { createKafka } from '../src/kafka.js'
import { collect, context, eventually, inMs, send, subscriptionTo, uniqueName, wireMessage } from './support/broker.js'
import { ownKafka } from './support/testKafka.js'

const kafka = ownKafka({ autoCreateTopics: true })
const { bench } = kafka

describe('a broker that makes topics for whoever asks', () => {
  const topics = async (): Promise<readonly string[]> => (await bench.admin()).listTopics()

  it('makes one for kafkajs', async () => {
    const typo = uniqueName('typo')
    const producer = new kafkajs.Kafka({ brokers: kafka.brokers, logLevel: kafkajs.logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({ topic: typo, messages: [{ value: 'm' }] }).catch(() => {})
    await producer.disconnect()
    expect(await topics()).toContain(typo)
  })

  it('makes none for us: not when something is sent, nor when it is read', async () => {
    const typo = uniqueName('typo')
    const transport = await bench.connect({ topology: 'verify' })
    await expect(send(transport, typo, wireMessage({ id: 'm-1' }))).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_NO_DESTINATION',
      outcome: 'notSent',
    })
    await expect(collect(transport, { subscription: subscriptionTo(typo) })).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISSING',
    })
    expect((await topics()).filter((topic) => topic.startsWith(typo))).toEqual([])
  })

  it('makes none anew that was deleted while we sent to it and read it', async () => {
    const orders = uniqueName('orders')
    await bench.connect({}, [orders]).then(async (transport) => {
      await collect(transport, { subscription: subscriptionTo(orders) })
      await transport.close(inMs(10_000))
    })
    const transport = await bench.connect({ topology: 'verify', metadataMaxAgeMs: 500 }, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await send(transport, orders, wireMessage({ id: 'm-1' }))
    await got.until(({ texts }) => texts.length === 1)
    const admin = await bench.admin()
    await admin.deleteTopics({ topics: [orders] })
    await eventually(
      async () => transport.health(),
      ({ state }) => state === 'connecting',
    )
    await expect(send(transport, orders, wireMessage({ id: 'm-2' }))).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_NO_DESTINATION',
    })
    expect(await topics()).not.toContain(orders)
  })
})

describe('a clock that is ten days ahead', () => {
  const aheadMs = 10 * 24 * 3_600_000
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs }

  async function topicWith(entries: Readonly<Record<string, string>>): Promise<string> {
    const topic = uniqueName('orders')
    const configEntries = Object.entries(entries).map(([name, value]) => ({ name, value }))
    await (await bench.admin()).createTopics({ topics: [{ topic, configEntries }], waitForLeaders: true })
    return topic
  }

  it('does no harm where the topic has the broker’s time', async () => {
    const orders = await topicWith({ 'message.timestamp.type': 'LogAppendTime' })
    const transport = createKafka({ brokers: kafka.brokers })
    await transport.connect({ ...context, clock }, [orders], { deadline: inMs(20_000) })
    await send(transport, orders, wireMessage({ id: 'm-1' }))
    await transport.close(inMs(5_000))
    expect(Number(await timestampOf(orders)) - Date.now()).toBeLessThan(aheadMs / 2)
  })

  it('is refused by a topic that takes no such time, and nothing is written', async () => {
    const orders = await topicWith({ 'message.timestamp.after.max.ms': '3600000' })
    const transport = createKafka({ brokers: kafka.brokers })
    await transport.connect({ ...context, clock }, [orders], { deadline: inMs(20_000) })
    await expect(send(transport, orders, wireMessage({ id: 'm-1' }))).rejects.toMatchObject({ outcome: 'notSent' })
    await transport.close(inMs(5_000))
  })

  async function timestampOf(topic: string): Promise<string> {
    const consumer = new kafkajs.Kafka({ brokers: kafka.brokers, logLevel: kafkajs.logLevel.NOTHING }).consumer({
      groupId: uniqueName('times'),
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const timestamp = await new Promise<string>((resolve, reject) => {
      consumer.run({ eachMessage: async ({ message }) => resolve(message.timestamp) }).catch(reject)
    })
    await consumer.disconnect()
    return timestamp
  }
})
