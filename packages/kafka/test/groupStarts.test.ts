import { silentLogger } from '@posthorn/core/adapter'
import type { Delivery, Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import type { CommittedOffset } from '../src/driver/driver.js'
import { DriverError } from '../src/driver/driverError.js'
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

function offsetsOf(numbers: Readonly<Record<number, number>>): Map<number, CommittedOffset> {
  return new Map(Object.entries(numbers).map(([partition, offset]) => [Number(partition), { offset, metadata: '' }]))
}

/** A group on a topic of two partitions with the offsets 10 to 100; the first member gets the partitions that are given. */
async function rig(
  options: Partial<KafkaOptions>,
  committed: Readonly<Record<number, number>> | ReadonlyMap<number, CommittedOffset> = {},
  assigned = [0, 1],
): Promise<Rig> {
  const driver = createFakeDriver({ orders: 2 })
  const clock = createManualClock()
  const transport = createKafkaOn({ brokers: ['kafka:9092'], ...options }, driver.createDriver)
  const log = { low: 10, high: 100 }
  driver.logs.set('orders', new Map([0, 1].map((partition) => [partition, log])))
  const offsets = committed instanceof Map ? new Map(committed) : offsetsOf(committed as Record<number, number>)
  if (offsets.size > 0) driver.offsets.set('orders.billing', offsets)
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

  describe('while it runs, where somebody has to decide', () => {
    const standsStill = { state: 'connecting', counts: { lostOffsets: 1 } }

    /** A group at 20, whose client is told that the offset does not exist: kafkajs writes that there is none. */
    async function lost(
      log: { readonly low: number; readonly high: number },
      lostOffsets: 'fail' | 'latest' = 'fail',
    ): Promise<Rig & { readonly lose: () => void }> {
      const it = await rig({ lostOffsets }, { 0: 20, 1: 20 })
      await it.subscribing
      const lose = (): void => {
        it.driver.logs.get('orders')!.set(0, log)
        it.driver.offsets.get('orders.billing')!.delete(0)
        it.consumer().events.reset(0)
      }
      return { ...it, lose }
    }

    async function replaced({ consumer, clock }: Rig): Promise<FakeConsumer> {
      const before = consumer()
      before.events.failed(new DriverError({ kind: 'connection', message: 'gone' }))
      await clock.advance(10_000)
      expect(consumer()).not.toBe(before)
      return consumer()
    }

    it('hands nothing over, though its number exists in the new log', async () => {
      const { lose, consumer, clock, deliveries, offset, transport, driver } = await lost({ low: 0, high: 40 })
      lose()
      for (const [from, to] of [
        [0, 30],
        [30, 40],
        [40, 43],
      ] as const) {
        void consumer().events.fetched({ partition: 0, records: records(from, to), nextOffset: to })
        await clock.advance(300)
      }
      expect(addresses(deliveries)).toEqual([])
      expect(offset(0)).toBe(20)
      expect(transport.health()).toMatchObject(standsStill)
      await transport.close(clock.monotonic() + 1_000)
      // Another process, which knows nothing but what the group has committed.
      const { subscribing } = await rig({ lostOffsets: 'fail' }, driver.offsets.get('orders.billing')!)
      await expect(subscribing).rejects.toMatchObject({
        details: {
          lost: ['orders[0] has offsets 10 to 100, and the group stands at 20, since before they began anew'],
        },
      })
    })

    it('goes on where somebody has set the group, even if that is where it was', async () => {
      const { lose, consumer, clock, driver } = await lost({ low: 0, high: 40 })
      lose()
      void consumer().events.fetched({ partition: 0, records: records(0, 30), nextOffset: 30 })
      await clock.advance(300)
      const offsets = driver.offsets.get('orders.billing')!
      expect(offsets.get(0)!.metadata).toContain('lost')
      offsets.set(0, { offset: 20, metadata: '' })
      consumer().events.rebalancing()
      consumer().events.assigned([0, 1])
      await clock.advance(300)
      expect(consumer().seeks.at(-1)).toEqual([0, 20])
      expect([...consumer().paused]).toEqual([])
    })

    it('begins with what comes next where that is wanted, and loses nothing that was fetched meanwhile', async () => {
      const { lose, consumer, clock, deliveries } = await lost({ low: 0, high: 40 }, 'latest')
      lose()
      void consumer().events.fetched({ partition: 0, records: records(0, 40), nextOffset: 40 })
      await clock.advance(300)
      expect(consumer().seeks.at(-1)).toEqual([0, 20])
      void consumer().events.fetched({ partition: 0, records: records(20, 22), nextOffset: 22 })
      await settled()
      expect(addresses(deliveries)).toEqual(['orders[0]@20', 'orders[0]@21'])
    })

    it('is held back in a consumer that replaces the one before', async () => {
      const it = await lost({ low: 60, high: 100 })
      it.lose()
      void it.consumer().events.fetched({ partition: 0, records: records(60, 70), nextOffset: 70 })
      await it.clock.advance(300)
      const consumer = await replaced(it)
      consumer.events.assigned([0, 1])
      // In the same turn of the event loop: with the next one, kafkajs fetches.
      expect([...consumer.paused]).toEqual([0])
      await settled()
      expect([...consumer.paused]).toEqual([0])
      expect(it.transport.health()).toMatchObject({ state: 'connecting' })
    })

    it('stays so when a client overwrites its offset again', async () => {
      const it = await lost({ low: 60, high: 100 })
      it.lose()
      void it.consumer().events.fetched({ partition: 0, records: records(60, 70), nextOffset: 70 })
      await it.clock.advance(300)
      const consumer = await replaced(it)
      it.driver.offsets.get('orders.billing')!.delete(0)
      consumer.events.assigned([0, 1])
      consumer.events.reset(0)
      void consumer.events.fetched({ partition: 0, records: records(60, 70), nextOffset: 70 })
      await it.clock.advance(300)
      void consumer.events.fetched({ partition: 0, records: records(70, 75), nextOffset: 75 })
      await it.clock.advance(300)
      expect(addresses(it.deliveries)).toEqual([])
      expect([it.offset(0), [...consumer.paused]]).toEqual([20, [0]])
      expect(it.transport.health()).toMatchObject({ state: 'connecting' })
    })

    it('stays so when that could not be put on record before its consumer died', async () => {
      const it = await lost({ low: 60, high: 100 })
      it.consumer().failCommits = 'membership'
      it.lose()
      void it.consumer().events.fetched({ partition: 0, records: records(60, 70), nextOffset: 70 })
      await it.clock.advance(300)
      expect(it.offset(0)).toBeUndefined()
      const consumer = await replaced(it)
      consumer.events.assigned([0, 1])
      await it.clock.advance(300)
      expect([it.offset(0), addresses(it.deliveries), [...consumer.paused]]).toEqual([20, [], [0]])
      expect(it.transport.health()).toMatchObject({ state: 'connecting' })
    })

    it('stays so when its consumer died before anything else came', async () => {
      const it = await lost({ low: 60, high: 100 })
      it.lose()
      const consumer = await replaced(it)
      consumer.events.assigned([0, 1])
      await it.clock.advance(300)
      expect([it.offset(0), addresses(it.deliveries), [...consumer.paused]]).toEqual([20, [], [0]])
      expect(it.transport.health()).toMatchObject(standsStill)
    })

    it('does not begin with a topic that was made anew, of which only the broker tells', async () => {
      const it = await rig({ lostOffsets: 'fail', newGroups: 'latest' }, { 0: 20, 1: 30 })
      await it.subscribing
      it.driver.offsets.delete('orders.billing')
      const consumer = it.consumer()
      consumer.events.assigned([0, 1])
      await it.clock.advance(300)
      expect(it.consumer()).toBe(consumer)
      expect([it.offset(0), it.offset(1), consumer.paused]).toEqual([20, 30, new Set([0, 1])])
      expect(it.transport.health()).toMatchObject({ state: 'connecting' })
    })
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
