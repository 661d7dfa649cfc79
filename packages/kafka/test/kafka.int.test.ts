import type { Delivery } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { murmur2 } from '../src/murmur2.js'
import { collect, eventually, inMs, send, subscriptionTo, uniqueName, wireMessage } from './support/broker.js'
import { sharedKafka } from './support/testKafka.js'

const bench = sharedKafka()

describe('sending', () => {
  it('confirms a message and delivers what was sent, key and headers included', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({}, [orders])
    const receipt = await transport.send(
      { destination: orders },
      wireMessage({
        id: 'm-1',
        partitionKey: 'käse',
        contentType: 'application/json',
        headers: { traceparent: '00-x' },
      }),
      { deadline: inMs(10_000) },
    )
    expect(receipt).toEqual({ routed: undefined })
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await got.until(({ deliveries }) => deliveries.length === 1)
    const [delivery] = got.deliveries
    expect(got.texts).toEqual(['m-1'])
    expect(delivery).toMatchObject({ contentType: 'application/json', partitionKey: 'käse', brokerRedeliveries: 0 })
    expect({ ...delivery!.headers }).toEqual({ traceparent: '00-x' })
    const partition = (murmur2(Buffer.from('käse')) & 0x7fffffff) % 2
    expect(delivery!.address).toBe(`${orders}[${partition}]@0`)
  })

  it('keeps an event without data a tombstone', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({}, [orders])
    await send(transport, orders, wireMessage({ id: 'm-1', body: null, partitionKey: 'k' }))
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await got.until(({ deliveries }) => deliveries.length === 1)
    expect(got.deliveries[0]!.body).toBeNull()
  })

  it('delivers thousands of concurrent messages in the order of each key', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({}, [orders])
    const ids = Array.from({ length: 5_000 }, (_, index) => `k${index % 40}/${Math.floor(index / 40)}`)
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await Promise.all(ids.map((id) => send(transport, orders, wireMessage({ id, partitionKey: id.split('/')[0]! }))))
    await got.until(({ deliveries }) => deliveries.length >= 5_000)
    expect([...got.texts].sort()).toEqual([...ids].sort())
    const seen = new Map<string, number>()
    for (const text of got.texts) {
      const [key, index] = text.split('/') as [string, string]
      expect(Number(index)).toBe((seen.get(key) ?? -1) + 1)
      seen.set(key, Number(index))
    }
  })

  it('spreads messages without a key over the partitions', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 3 }, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    for (let round = 0; round < 9; round += 1) await send(transport, orders, wireMessage({ id: `m-${round}` }))
    await got.until(({ deliveries }) => deliveries.length === 9)
    const partitions = new Set(got.deliveries.map(({ address }) => /\[(\d+)\]/.exec(address)![1]))
    expect(partitions.size).toBe(3)
  })

  it('refuses a topic that is not there at once when it may not create one', async () => {
    const transport = await bench.connect({ topology: 'verify' })
    const before = inMs(0)
    const attempt = send(transport, uniqueName('missing'), wireMessage({ id: 'm-1' }))
    await expect(attempt).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_NO_DESTINATION', outcome: 'notSent' })
    expect(inMs(0) - before).toBeLessThan(10_000)
  })

  it('refuses a message that the topic is too small for, and keeps its neighbours', async () => {
    const orders = uniqueName('orders')
    const admin = await bench.admin()
    const configEntries = [{ name: 'max.message.bytes', value: '20000' }]
    await admin.createTopics({ topics: [{ topic: orders, numPartitions: 1, configEntries }] })
    const transport = await bench.connect({}, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) =>
        send(transport, orders, wireMessage({ id: `m-${index}`, body: Buffer.alloc(index === 30 ? 30_000 : 1_000) })),
      ),
    )
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(1)
    expect(outcomes[30]).toMatchObject({ reason: { code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent' } })
    await got.until(({ deliveries }) => deliveries.length === 59)
  })
})

describe('the topology', () => {
  it('is created by a consumer, with the partitions of the destination', async () => {
    const orders = uniqueName('orders')
    const admin = await bench.admin()
    await admin.createTopics({ topics: [{ topic: orders, numPartitions: 2 }] })
    const transport = await bench.connect()
    await collect(transport, { subscription: subscriptionTo(orders, { rungsMs: [1_000, 5_000] }) })
    const expected = ['retry.0', 'retry.1000', 'retry.5000', 'dead'].map((name) => `${orders}.billing.${name}`)
    const { topics } = await admin.fetchTopicMetadata({ topics: expected })
    expect(topics.map(({ partitions }) => partitions.length)).toEqual([2, 2, 2, 2])
  })

  it('is created once by processes that start together', async () => {
    const orders = uniqueName('orders')
    const transports = await Promise.all([1, 2, 3].map(() => bench.connect()))
    const got = await Promise.all(
      transports.map((transport) => collect(transport, { subscription: subscriptionTo(orders, { rungsMs: [50] }) })),
    )
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => send(transports[0]!, orders, wireMessage({ id: `m-${index}` }))),
    )
    await eventually(
      async () => new Set(got.flatMap(({ texts }) => texts)).size,
      (count) => count === 30,
    )
  })

  it('is refused when it may not be created', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ topology: 'verify' })
    const attempt = collect(transport, { subscription: subscriptionTo(orders) })
    await expect(attempt).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISSING',
      details: { topics: [orders, `${orders}.billing.retry.0`, `${orders}.billing.dead`] },
    })
  })
})

describe('settling', () => {
  it('commits up to the oldest unsettled message, however many after it are done', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 1 }, [orders])
    const admin = await bench.admin()
    const committed = async (): Promise<string | undefined> => {
      const [topic] = await admin.fetchOffsets({ groupId: `${orders}.billing`, topics: [orders] })
      return topic?.partitions[0]?.offset
    }
    const held: Delivery[] = []
    const got = await collect(transport, {
      subscription: subscriptionTo(orders),
      onDelivery: (delivery) => (delivery.address.endsWith('@3') ? held.push(delivery) : delivery.complete()),
    })
    for (let index = 0; index < 10; index += 1) await send(transport, orders, wireMessage({ id: `m-${index}` }))
    await got.until(({ deliveries }) => deliveries.length === 10)
    await eventually(committed, (offset) => offset === '3')
    held[0]!.complete()
    await eventually(committed, (offset) => offset === '10')
  })

  it('delivers a released message again, before younger ones of its partition', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 1 }, [orders])
    for (let index = 0; index < 4; index += 1) await send(transport, orders, wireMessage({ id: `m-${index}` }))
    let releases = 0
    const got = await collect(transport, {
      subscription: subscriptionTo(orders, { maxInFlight: 1 }),
      onDelivery(delivery) {
        if (delivery.address.endsWith('@1') && releases < 2) {
          releases += 1
          delivery.release()
        } else delivery.complete()
      },
    })
    await got.until(({ deliveries }) => deliveries.length === 6)
    expect(got.texts).toEqual(['m-0', 'm-1', 'm-1', 'm-1', 'm-2', 'm-3'])
  })

  it('delivers to the next process what was not settled, and no more', async () => {
    const orders = uniqueName('orders')
    const first = await bench.connect({ partitions: 1 }, [orders])
    for (let index = 0; index < 6; index += 1) await send(first, orders, wireMessage({ id: `m-${index}` }))
    const before = await collect(first, {
      subscription: subscriptionTo(orders),
      onDelivery: (delivery) => (delivery.address.endsWith('@4') ? undefined : delivery.complete()),
    })
    await before.until(({ deliveries }) => deliveries.length === 6)
    await first.close(inMs(10_000))
    const second = await bench.connect()
    const after = await collect(second, { subscription: subscriptionTo(orders) })
    await after.until(({ deliveries }) => deliveries.length === 2)
    // 5 was done, but not contiguously: at least once.
    expect(after.texts).toEqual(['m-4', 'm-5'])
    expect(after.deliveries[0]!.brokerRedeliveries).toBe(0)
  })

  it('still counts after stop, until close', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 1 }, [orders])
    await send(transport, orders, wireMessage({ id: 'm-0' }))
    const got = await collect(transport, { subscription: subscriptionTo(orders), onDelivery: () => {} })
    await got.until(({ deliveries }) => deliveries.length === 1)
    await got.running.stop(inMs(5_000))
    await send(transport, orders, wireMessage({ id: 'm-1' }))
    got.deliveries[0]!.complete()
    await transport.close(inMs(10_000))
    const admin = await bench.admin()
    const [topic] = await admin.fetchOffsets({ groupId: `${orders}.billing`, topics: [orders] })
    expect(topic!.partitions[0]!.offset).toBe('1')
    expect(got.texts).toEqual(['m-0'])
  })

  it('never has more in flight than allowed, over all partitions', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 3 }, [orders])
    await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        send(transport, orders, wireMessage({ id: `m-${index}`, partitionKey: `k${index}` })),
      ),
    )
    let inFlight = 0
    let most = 0
    const got = await collect(transport, {
      subscription: subscriptionTo(orders, { maxInFlight: 7 }),
      onDelivery(delivery) {
        inFlight += 1
        most = Math.max(most, inFlight)
        setImmediate(() => {
          inFlight -= 1
          delivery.complete()
        })
      },
    })
    await got.until(({ deliveries }) => deliveries.length === 300)
    expect(most).toBe(7)
  })
})

describe('retries and dead letters', () => {
  const rung = (destination: string, delayMs: number) => ({ retry: { destination, group: 'billing', delayMs } })

  it('come back after the delay of their rung, to the same subscription', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect()
    const got = await collect(transport, { subscription: subscriptionTo(orders, { rungsMs: [1_500] }) })
    const before = Date.now()
    await send(transport, rung(orders, 1_500), wireMessage({ id: 'later', partitionKey: 'k' }))
    await send(transport, { group: { destination: orders, group: 'billing' } }, wireMessage({ id: 'now' }))
    await got.until(({ texts }) => texts.includes('now'))
    expect(got.texts).toEqual(['now'])
    await got.until(({ texts }) => texts.includes('later'))
    const took = Date.now() - before
    expect(took).toBeGreaterThanOrEqual(1_500)
    expect(took).toBeLessThan(10_000)
    expect(got.deliveries[1]!.address).toMatch(/\.billing\.retry\.1500\[\d\]@0$/)
  })

  it('come back also from a rung that this version of the service does not use', async () => {
    const orders = uniqueName('orders')
    const old = await bench.connect()
    await collect(old, { subscription: subscriptionTo(orders, { rungsMs: [100] }) })
    await send(old, rung(orders, 100), wireMessage({ id: 'left behind' }))
    await old.close(inMs(10_000))
    const now = await bench.connect({ rungDiscoveryIntervalMs: 200 })
    const got = await collect(now, { subscription: subscriptionTo(orders) })
    await got.until(({ texts }) => texts.includes('left behind'))
    // A process of another version that starts later brings a rung that was not there.
    const newer = await bench.connect()
    await send(newer, rung(orders, 300), wireMessage({ id: 'brought along' }))
    await got.until(({ texts }) => texts.includes('brought along'))
  })

  it('of a group are read from the beginning', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect()
    const dead = { dead: { destination: orders, group: 'billing' } }
    await send(transport, dead, wireMessage({ id: 'd-1' }))
    const got = await collect(transport, { subscription: subscriptionTo(orders, { source: 'dead' }) })
    await send(transport, dead, wireMessage({ id: 'd-2' }))
    await got.until(({ deliveries }) => deliveries.length === 2)
    expect([...got.texts].sort()).toEqual(['d-1', 'd-2'])
  })
})
