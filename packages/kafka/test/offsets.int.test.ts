import { describe, expect, it } from 'vitest'
import kafkajs from 'kafkajs'
import type { Transport } from '@posthorn/core/adapter'
import {
  brokersFromEnvironment,
  collect,
  eventually,
  inMs,
  send,
  subscriptionTo,
  uniqueName,
  wireMessage,
} from './support/broker.js'
import { lostGroup, reasonsOf } from './support/lostGroup.js'
import { sharedKafka } from './support/testKafka.js'

const bench = sharedKafka()

async function sendRange(transport: Transport, orders: string, from: number, to: number): Promise<void> {
  const indexes = Array.from({ length: to - from }, (_, index) => from + index)
  for (const index of indexes) await send(transport, orders, wireMessage({ id: `m-${index}` }))
}

async function committed(orders: string): Promise<(string | undefined)[]> {
  const admin = await bench.admin()
  const [topic] = await admin.fetchOffsets({ groupId: `${orders}.billing`, topics: [orders] })
  return topic!.partitions.map(({ offset }) => offset)
}

describe('messages that were deleted before the group has read them', () => {
  /** A group that stands at 3, on a partition of which the first seven are gone. */
  async function deleted(): Promise<{ orders: string; publisher: Transport }> {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 1 }, [orders])
    await sendRange(publisher, orders, 0, 3)
    const first = await bench.connect()
    const got = await collect(first, { subscription: subscriptionTo(orders) })
    await got.until(({ texts }) => texts.length === 3)
    await first.close(inMs(10_000))
    await sendRange(publisher, orders, 3, 10)
    const admin = await bench.admin()
    await admin.fetchTopicOffsets(orders)
    await admin.deleteTopicRecords({ topic: orders, partitions: [{ partition: 0, offset: '7' }] })
    return { orders, publisher }
  }

  it('are counted, and the rest is read', async () => {
    const { orders } = await deleted()
    const transport = await bench.connect()
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await got.until(({ texts }) => texts.length === 3)
    expect(got.texts).toEqual(['m-7', 'm-8', 'm-9'])
    expect(transport.health().counts).toMatchObject({ lostOffsets: 1 })
  })

  it('keep a group from starting where somebody has to decide', async () => {
    const { orders } = await deleted()
    const transport = await bench.connect({ lostOffsets: 'fail' })
    const attempt = collect(transport, { subscription: subscriptionTo(orders) })
    await expect(attempt).rejects.toMatchObject({ code: 'POSTHORN_OFFSETS_LOST' })
    // kafkajs overwrites the offset as soon as it fetches there: then nobody could tell any more.
    expect(await committed(orders)).toEqual(['3'])
    await transport.close(inMs(10_000))
    const again = collect(await bench.connect({ lostOffsets: 'fail' }), { subscription: subscriptionTo(orders) })
    await expect(again).rejects.toMatchObject({ code: 'POSTHORN_OFFSETS_LOST' })
  })

  it('are skipped together with the rest where only what comes next counts', async () => {
    const { orders, publisher } = await deleted()
    const transport = await bench.connect({ lostOffsets: 'latest' })
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await sendRange(publisher, orders, 10, 11)
    await got.until(({ texts }) => texts.length >= 1)
    expect(got.texts).toEqual(['m-10'])
  })
})

describe.each(['kafkajs', 'platformatic'] as const)('a running group that loses its offset, on %s', (driver) => {
  it('stands still where somebody has to decide, in the next process too, and keeps its offset', async () => {
    const { orders, transport, got } = await lostGroup(bench, driver)
    expect(got.deliveries.length).toBeLessThan(18)
    expect(await committed(orders)).toEqual([String(got.deliveries.length)])
    await transport.close(inMs(10_000))
    const again = collect(await bench.connect({ driver, lostOffsets: 'fail' }), {
      subscription: subscriptionTo(orders),
    })
    await expect(again).rejects.toMatchObject({ code: 'POSTHORN_OFFSETS_LOST' })
  })

  it('since its topic was made anew, does not take the number in it for its own', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ driver, lostOffsets: 'fail', newGroups: 'latest', partitions: 1 }, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await sendRange(transport, orders, 0, 3)
    await eventually(
      () => committed(orders),
      ([offset]) => offset === '3',
    )
    const admin = await bench.admin()
    await admin.deleteTopics({ topics: [orders] })
    await admin.createTopics({ topics: [{ topic: orders, numPartitions: 1 }] })
    await sendRange(transport, orders, 3, 9)
    await eventually(
      async () => reasonsOf(transport),
      (why) => why.includes(`${orders}[0] has offsets 0 to `),
    )
    await eventually(
      () => committed(orders),
      ([offset]) => offset === '3',
    )
    expect(got.texts).toEqual(['m-0', 'm-1', 'm-2'])
    await transport.close(inMs(10_000))
    const again = collect(await bench.connect({ driver, lostOffsets: 'fail' }), {
      subscription: subscriptionTo(orders),
    })
    await expect(again).rejects.toMatchObject({ code: 'POSTHORN_OFFSETS_LOST' })
    const all = await collect(await bench.connect({ driver }), { subscription: subscriptionTo(orders) })
    await all.until(({ texts }) => texts.length === 6)
  })
})

describe('a group without offsets', () => {
  it('begins at the end where that is wanted, and misses nothing after its start', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 3 }, [orders])
    for (let index = 0; index < 12; index += 1) {
      await send(publisher, orders, wireMessage({ id: `old-${index}`, partitionKey: `k${index}` }))
    }
    const transport = await bench.connect({ newGroups: 'latest' })
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    const ids = Array.from({ length: 12 }, (_, index) => `new-${index}`)
    for (const id of ids) await send(publisher, orders, wireMessage({ id, partitionKey: id }))
    await got.until(({ texts }) => texts.length === 12)
    expect(got.texts.toSorted()).toEqual(ids.toSorted())
    expect(new Set(await committed(orders))).not.toContain('-1')
  })

  it('reads everything again when its offsets have expired, and says that it did', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 1 }, [orders])
    await sendRange(publisher, orders, 0, 4)
    const first = await bench.connect()
    const before = await collect(first, { subscription: subscriptionTo(orders) })
    await before.until(({ texts }) => texts.length === 4)
    await first.close(inMs(10_000))
    const admin = await bench.admin()
    // As the broker does after `offsets.retention.minutes` without a member.
    await admin.deleteGroups([`${orders}.billing`])
    const events: unknown[] = []
    const logged = await bench.connect({}, [], (facts) => void events.push(facts['event']))
    const after = await collect(logged, { subscription: subscriptionTo(orders) })
    await after.until(({ texts }) => texts.length === 4)
    expect(events).toContain('kafka.noOffsets')
  })
})

describe('partitions that are added while messages flow', () => {
  it('are read from their first message', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 3, metadataMaxAgeMs: 500 }, [orders])
    const got = await collect(await bench.connect({ metadataMaxAgeMs: 500 }), { subscription: subscriptionTo(orders) })
    const sent: string[] = []
    const partitions = (): Set<string> => new Set(got.deliveries.map(({ address }) => /\[(\d+)\]/.exec(address)![1]!))
    let enough = false
    const publishing = (async () => {
      while (!enough) {
        const ids = Array.from({ length: 20 }, (_, index) => `m-${sent.length + index}`)
        await Promise.all(ids.map((id) => send(publisher, orders, wireMessage({ id, partitionKey: id }))))
        sent.push(...ids)
      }
    })()
    await got.until(({ texts }) => texts.length >= 100)
    const admin = await bench.admin()
    await admin.createPartitions({ topicPartitions: [{ topic: orders, count: 6 }] })
    await got.until(() => partitions().size === 6, 60_000)
    enough = true
    await publishing
    await got.until(({ texts }) => new Set(texts).size === sent.length)
  })
})

describe('partitions that are added while a process with a name restarts', () => {
  it('are read as soon as it is back', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 1, metadataMaxAgeMs: 500 }, [orders])
    // What it knows of the topic is not looked at again in this test.
    const named = { driver: 'platformatic', groupInstanceId: 'pod-1', metadataMaxAgeMs: 300_000 } as const
    const first = await bench.connect(named)
    const before = await collect(first, { subscription: subscriptionTo(orders) })
    await send(publisher, orders, wireMessage({ id: 'before' }))
    await before.until(({ texts }) => texts.length === 1)
    await first.close(inMs(10_000))
    const admin = await bench.admin()
    await admin.createPartitions({ topicPartitions: [{ topic: orders, count: 3 }] })
    await eventually(
      () => admin.fetchTopicMetadata({ topics: [orders] }),
      ({ topics }) => topics[0]!.partitions.length === 3,
    )
    const after = await collect(await bench.connect(named), { subscription: subscriptionTo(orders) })
    const producer = new kafkajs.Kafka({ brokers: brokersFromEnvironment() }).producer()
    await producer.connect()
    await producer.send({
      topic: orders,
      messages: [0, 1, 2].map((partition) => ({ partition, value: `p${partition}` })),
    })
    await producer.disconnect()
    await after.until(({ texts }) => texts.length === 3)
    expect(after.texts.toSorted((a, b) => a.localeCompare(b))).toEqual(['p0', 'p1', 'p2'])
  })
})

describe('messages of a transaction', () => {
  it('that hangs are said to hold back what is behind them, and come when it ends', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 1, watchdogIntervalMs: 300 }, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    const kafka = new kafkajs.Kafka({ brokers: brokersFromEnvironment(), logLevel: kafkajs.logLevel.NOTHING })
    const producer = kafka.producer({ transactionalId: orders, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: orders, messages: [{ value: 'held' }] })
    await sendRange(transport, orders, 0, 3)
    await eventually(
      async () => transport.health(),
      ({ counts, lag }) => counts!['openTransactions']! > 0 && lag![`${orders}.billing`] === 4,
    )
    expect(got.texts).toEqual([])
    expect(transport.health().counts).toMatchObject({ stalled: 0 })
    await transaction.commit()
    await producer.disconnect()
    await got.until(({ texts }) => texts.length === 4)
    expect(got.texts).toEqual(['held', 'm-0', 'm-1', 'm-2'])
  })

  it('are delivered when it is committed, not when it is aborted, and offsets pass what is none', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 1 }, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    const kafka = new kafkajs.Kafka({ brokers: brokersFromEnvironment(), logLevel: kafkajs.logLevel.NOTHING })
    const producer = kafka.producer({
      transactionalId: orders,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
    })
    await producer.connect()
    for (const [name, ends] of [
      ['a', 'commit'],
      ['b', 'abort'],
      ['c', 'commit'],
      ['d', 'abort'],
    ] as const) {
      const transaction = await producer.transaction()
      const messages = [0, 1, 2].map((index) => ({ value: `${name}-${index}` }))
      await transaction.send({ topic: orders, messages })
      await transaction[ends]()
    }
    await producer.disconnect()
    await got.until(({ texts }) => texts.length === 6)
    expect(got.texts).toEqual(['a-0', 'a-1', 'a-2', 'c-0', 'c-1', 'c-2'])
    // Twelve messages, and a control record for the end of each transaction: the aborted ones behind the last are passed, too.
    await eventually(
      () => committed(orders),
      ([offset]) => offset === '16',
    )
  })
})
