import { silentLogger } from '@posthorn/core/adapter'
import type { Delivery, Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createKafkaOn } from '../src/kafka.js'
import type { KafkaOptions } from '../src/options.js'
import { subscriptionTo } from './support/broker.js'
import { createFakeDriver, records } from './support/fakeDriver.js'
import type { FakeConsumer, FakeDriver } from './support/fakeDriver.js'
import { createManualClock, settled } from './support/manualClock.js'
import type { ManualClock } from './support/manualClock.js'

interface Rig {
  readonly driver: FakeDriver
  readonly clock: ManualClock
  readonly transport: Transport
  readonly deliveries: Delivery[]
  readonly subscribing: Promise<unknown>
  consumer(topic?: string): FakeConsumer
  offset(partition: number): number | undefined
}

/** A group on a topic of two partitions with the offsets 10 to 100; the first member gets the partitions that are given. */
async function rig(
  options: Partial<KafkaOptions>,
  committed: Readonly<Record<number, number>> = {},
  assigned = [0, 1],
): Promise<Rig> {
  const driver = createFakeDriver({ orders: 2 })
  const clock = createManualClock()
  const transport = createKafkaOn({ brokers: ['kafka:9092'], ...options }, driver.createDriver)
  const log = { low: 10, high: 100 }
  driver.logs.set('orders', new Map([0, 1].map((partition) => [partition, log])))
  const entries = Object.entries(committed).map(([partition, offset]) => [Number(partition), { offset, metadata: '' }])
  if (entries.length > 0) driver.offsets.set('orders.billing', new Map(entries as [number, never][]))
  await transport.connect({ logger: silentLogger, clock }, [], { deadline: clock.monotonic() + 1_000 })
  const deliveries: Delivery[] = []
  const subscribing = transport.subscribe(subscriptionTo('orders'), (items) => void deliveries.push(...items), {
    deadline: clock.monotonic() + 60_000,
  })
  subscribing.catch(() => {})
  await settled()
  for (const { options: of, events } of driver.consumers) events.assigned(of.topic === 'orders' ? assigned : [0, 1])
  await settled()
  return {
    driver,
    clock,
    transport,
    deliveries,
    subscribing,
    consumer: (topic = 'orders') => driver.consumers.filter((it) => it.options.topic === topic).at(-1)!,
    offset: (partition) => driver.offsets.get('orders.billing')?.get(partition)?.offset,
  }
}

const addresses = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ address }) => address)

describe('a group without offsets', () => {
  it('begins with the first message, and says so before it hands anything over', async () => {
    const { subscribing, offset } = await rig({})
    await subscribing
    expect([offset(0), offset(1)]).toEqual([10, 10])
  })

  it('begins at the end where that is wanted, for all partitions, whoever reads them', async () => {
    const { subscribing, offset, consumer, deliveries } = await rig({ newGroups: 'latest' }, {}, [0])
    await subscribing
    expect([offset(0), offset(1)]).toEqual([100, 100])
    expect(consumer().seeks).toEqual([[0, 100]])
    void consumer().events.fetched({ partition: 0, records: records(100, 101), nextOffset: 101 })
    await settled()
    expect(addresses(deliveries)).toEqual(['orders[0]@100'])
  })

  it('begins at the end also with what was fetched before that was known', async () => {
    const { driver, consumer, deliveries, offset } = await rig({ newGroups: 'latest' }, {}, [])
    driver.offsets.clear()
    consumer().events.rebalancing()
    consumer().events.assigned([0])
    void consumer().events.fetched({ partition: 0, records: records(10, 20), nextOffset: 20 })
    await settled()
    expect([addresses(deliveries), offset(0), consumer().seeks.at(-1)]).toEqual([[], 100, [0, 100]])
  })

  it('reads partitions that are new from their first message, also where it began at the end', async () => {
    const { subscribing, offset } = await rig({ newGroups: 'latest' }, { 0: 50 })
    await subscribing
    expect([offset(0), offset(1)]).toEqual([50, 10])
  })

  it('reads what waits for a retry from its first message in any case', async () => {
    const { driver, subscribing } = await rig({ newGroups: 'latest' })
    await subscribing
    expect(driver.offsets.get('orders.billing.retry.0')?.get(0)?.offset).toBe(0)
  })
})

describe('a group whose offset does not exist any more', () => {
  it('goes on with the first message that does, and counts it', async () => {
    const { subscribing, offset, transport, consumer } = await rig({}, { 0: 3, 1: 50 })
    await subscribing
    expect([offset(0), offset(1)]).toEqual([10, 50])
    expect(consumer().seeks).toEqual([[0, 10]])
    expect(transport.health().counts).toMatchObject({ lostOffsets: 1 })
  })

  it('goes on with what comes next where that is wanted', async () => {
    const { subscribing, offset } = await rig({ lostOffsets: 'latest' }, { 0: 3, 1: 500 })
    await subscribing
    expect([offset(0), offset(1)]).toEqual([100, 100])
  })

  it('does not start where somebody has to decide, and keeps what it knows', async () => {
    const { subscribing, offset } = await rig({ lostOffsets: 'fail' }, { 0: 3, 1: 50 })
    await expect(subscribing).rejects.toMatchObject({
      code: 'POSTHORN_OFFSETS_LOST',
      details: { groupId: 'orders.billing', lost: ['orders[0] has offsets 10 to 100, and the group stands at 3'] },
    })
    expect(offset(0)).toBe(3)
  })

  it('leaves that partition alone and says why when it happens while running, or goes on at the end', async () => {
    for (const lostOffsets of ['fail', 'latest'] as const) {
      const { driver, subscribing, offset, consumer, transport, deliveries, clock } = await rig(
        { lostOffsets },
        { 0: 20 },
      )
      await subscribing
      void consumer().events.fetched({ partition: 0, records: records(20, 22), nextOffset: 22 })
      await settled()
      deliveries[0]!.complete()
      await clock.advance(300)
      driver.logs.get('orders')!.set(0, { low: 60, high: 100 })
      // The client goes on by itself, and overwrites what the group has committed.
      driver.offsets.get('orders.billing')!.delete(0)
      consumer().events.reset(0)
      void consumer().events.fetched({ partition: 0, records: records(60, 70), nextOffset: 70 })
      await clock.advance(300)
      expect(addresses(deliveries)).toEqual(['orders[0]@20', 'orders[0]@21'])
      expect(deliveries[1]!.lost!.aborted).toBe(true)
      if (lostOffsets === 'latest') {
        expect([offset(0), consumer().seeks.at(-1)]).toEqual([100, [0, 100]])
      } else {
        expect(offset(0)).toBe(21)
        expect(transport.health()).toMatchObject({ state: 'connecting' })
      }
    }
  })

  it('says its offset again when the client has overwritten it', async () => {
    const { driver, subscribing, offset, consumer, clock } = await rig({}, { 0: 20 })
    await subscribing
    driver.offsets.get('orders.billing')!.delete(0)
    consumer().events.reset(0)
    void consumer().events.fetched({ partition: 0, records: records(60, 61), nextOffset: 61 })
    await clock.advance(300)
    expect(offset(0)).toBe(60)
  })
})

describe('health', () => {
  it('tells how far each group is behind, also of what is not read here', async () => {
    const { subscribing, transport, clock, driver } = await rig({}, { 0: 90, 1: 40 }, [0])
    await subscribing
    expect(transport.health().lag).toBeUndefined()
    driver.offsets.get('orders.billing')!.set(1, { offset: 41, metadata: '' })
    await clock.advance(30_000)
    expect(transport.health().lag).toEqual({ 'orders.billing': 10 + 59, 'orders.billing.retry.0': 0 })
    await transport.close(clock.monotonic() + 1_000)
    expect(transport.health().lag).toBeUndefined()
  })

  it('counts what happened to partitions, deliveries and commits', async () => {
    const { subscribing, transport, clock, consumer, deliveries } = await rig({}, { 0: 20 })
    await subscribing
    void consumer().events.fetched({ partition: 0, records: records(20, 22), nextOffset: 22 })
    await settled()
    deliveries[0]!.complete()
    await clock.advance(300)
    consumer().events.rebalancing()
    consumer().events.assigned([1])
    deliveries[1]!.complete()
    consumer().failCommits = 'connection'
    void consumer().events.fetched({ partition: 1, records: records(10, 11), nextOffset: 11 })
    await settled()
    deliveries[2]!.complete()
    await clock.advance(300)
    expect(transport.health().counts).toMatchObject({
      assignments: 3,
      lostPartitions: 1,
      staleSettlements: 1,
      replaced: 0,
    })
    expect(transport.health().counts!['commits']).toBeGreaterThan(1)
    expect(transport.health().counts!['failedCommits']).toBeGreaterThan(0)
  })
})
