import { silentLogger } from '@posthorn/core/adapter'
import type { Delivery, RunningSubscription, Subscription, Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { DriverError } from '../src/driver/driverError.js'
import { createKafkaOn } from '../src/kafka.js'
import type { KafkaOptions } from '../src/options.js'
import { subscriptionTo } from './support/broker.js'
import { createFakeDriver, record, records } from './support/fakeDriver.js'
import type { FakeConsumer, FakeDriver } from './support/fakeDriver.js'
import { createManualClock, settled } from './support/manualClock.js'
import type { ManualClock } from './support/manualClock.js'

interface Rig {
  readonly driver: FakeDriver
  readonly clock: ManualClock
  readonly transport: Transport
  readonly deliveries: Delivery[]
  /** Offsets of the destination's deliveries, in the order in which they came. */
  readonly offsets: number[]
  readonly running: RunningSubscription
  /** The consumer of a topic that runs now. */
  consumer(topic?: string): FakeConsumer
  committed(partition?: number): number | undefined
}

const offsetOf = ({ address }: Delivery): number => Number(address.slice(address.indexOf('@') + 1))

async function rig(parts: Partial<Subscription> = {}, options: Partial<KafkaOptions> = {}): Promise<Rig> {
  const driver = createFakeDriver({ orders: 2 })
  const clock = createManualClock()
  const transport = createKafkaOn({ brokers: ['kafka:9092'], ...options }, driver.createDriver)
  await transport.connect({ logger: silentLogger, clock }, [], { deadline: clock.monotonic() + 1_000 })
  const deliveries: Delivery[] = []
  const offsets: number[] = []
  const subscribing = transport.subscribe(
    subscriptionTo('orders', parts),
    (items) => {
      deliveries.push(...items)
      offsets.push(...items.filter(({ address }) => address.startsWith('orders[')).map(offsetOf))
    },
    { deadline: clock.monotonic() + 60_000 },
  )
  await settled()
  for (const { events } of driver.consumers) events.assigned([0, 1])
  const running = await subscribing
  await settled()
  const consumer = (topic = 'orders'): FakeConsumer =>
    driver.consumers.filter((it) => it.options.topic === topic).at(-1)!
  return {
    driver,
    clock,
    transport,
    deliveries,
    offsets,
    running,
    consumer,
    committed: (partition = 0) => driver.offsets.get('orders.billing')?.get(partition)?.offset,
  }
}

/** The client has fetched; undefined, or a promise when it is to wait before it fetches more. */
function fetching(consumer: FakeConsumer, from: number, to: number): Promise<void> | undefined {
  return consumer.events.fetched({ partition: 0, records: records(from, to), nextOffset: to }) ?? undefined
}

/** What a commit says, without the name of the process. */
function said(driver: FakeDriver, partition: number): object {
  const { offset, metadata } = driver.offsets.get('orders.billing')!.get(partition)!
  const { by, ...record } = JSON.parse(metadata) as { by?: string }
  return { offset, ...record, ...(by === undefined ? {} : { isRunning: true }) }
}

function fetch(consumer: FakeConsumer, from: number, to: number, partition = 0): void {
  void consumer.events.fetched({ partition, records: records(from, to), nextOffset: to })
}

describe('a subscription', () => {
  it('has a consumer for each topic, never two topics in one group', async () => {
    const { driver } = await rig({ rungsMs: [1_000] })
    expect(driver.consumers.map(({ options }) => [options.topic, options.groupId])).toEqual([
      ['orders', 'orders.billing'],
      ['orders.billing.retry.0', 'orders.billing.retry.0'],
      ['orders.billing.retry.1000', 'orders.billing.retry.1000'],
    ])
  })

  it('commits where it begins before anything is handed over', async () => {
    const { driver, consumer, committed } = await rig()
    expect(committed(0)).toBe(0)
    expect(said(driver, 1)).toEqual({ offset: 0, v: 1, head: 0, starts: 0, isRunning: true })
    expect(consumer().commits).toHaveLength(1)
  })

  it('begins with the first message that is still there, and where messages were deleted before it read them', async () => {
    const { driver, consumer, committed } = await rig()
    driver.offsets.set('orders.billing', new Map([[1, { offset: 3, metadata: '' }]]))
    const log = { low: 7, high: 20 }
    driver.logs.set('orders', new Map([0, 1].map((partition) => [partition, log])))
    consumer().events.assigned([])
    driver.offsets.get('orders.billing')!.delete(0)
    consumer().events.assigned([0, 1])
    await settled()
    expect([committed(0), committed(1)]).toEqual([7, 7])
  })

  it('hands nothing over while it is not known where the group stands', async () => {
    const { driver, clock, consumer, offsets } = await rig()
    consumer().events.rebalancing()
    consumer().events.assigned([0])
    driver.failQuestions = 'connection'
    consumer().events.rebalancing()
    consumer().events.assigned([0, 1])
    fetch(consumer(), 0, 3, 1)
    await clock.advance(1_000)
    expect(offsets).toEqual([])
    driver.failQuestions = undefined
    await clock.advance(4_000)
    expect(offsets).toEqual([0, 1, 2])
  })

  it('goes no further than maxInFlight, over all topics', async () => {
    const { consumer, deliveries, clock } = await rig({ maxInFlight: 5, rungsMs: [1_000] })
    fetch(consumer(), 0, 4)
    fetch(consumer(), 0, 4, 1)
    fetch(consumer('orders.billing.retry.0'), 0, 4)
    await clock.advance(1)
    expect(deliveries).toHaveLength(5)
    deliveries[0]!.complete()
    deliveries[1]!.release()
    await settled()
    expect(deliveries).toHaveLength(7)
    deliveries[0]!.complete()
    await settled()
    expect(deliveries).toHaveLength(7)
  })

  it('goes one message further than maxInFlightBytes at most', async () => {
    const { consumer, deliveries } = await rig({ maxInFlightBytes: 5_000 })
    const big = [0, 1, 2, 3].map((offset) => record(offset, { value: Buffer.alloc(4_000) }))
    void consumer().events.fetched({ partition: 0, records: big, nextOffset: 4 })
    await settled()
    expect(deliveries).toHaveLength(2)
  })

  it('pauses a partition that is not handed over in time, and resumes it when there is room', async () => {
    const { consumer, deliveries, clock } = await rig({ maxInFlight: 10 })
    const next = fetching(consumer(), 0, 2_000)
    expect(next).toBeInstanceOf(Promise)
    await clock.advance(150)
    await next
    expect([...consumer().paused]).toEqual([0])
    for (let handled = 0; handled < 1_600; handled += 1) {
      deliveries[handled]!.complete()
      if (handled % 10 === 9) await settled()
    }
    expect([...consumer().paused]).toEqual([])
  })

  it('does not hold up a fetch when what came is handed over at once', async () => {
    const { consumer } = await rig({ maxInFlight: 5_000 })
    expect(fetching(consumer(), 0, 2_000)).toBeUndefined()
    expect(consumer().paused.size).toBe(0)
  })

  it('does not go further beyond the oldest unsettled message than allowed', async () => {
    const { consumer, deliveries, offsets } = await rig({}, { maxUncommittedCount: 10 })
    fetch(consumer(), 0, 30)
    await settled()
    expect(offsets).toHaveLength(10)
    for (const delivery of deliveries.slice(1)) delivery.complete()
    await settled()
    expect(offsets).toHaveLength(10)
    deliveries[0]!.complete()
    await settled()
    expect(offsets).toHaveLength(20)
  })
})

describe('a commit', () => {
  it('waits for the oldest, and passes offsets that hold no message', async () => {
    const { consumer, deliveries, committed, clock } = await rig()
    const sparse = [record(2), record(5), record(6)]
    void consumer().events.fetched({ partition: 0, records: sparse, nextOffset: 9 })
    await settled()
    deliveries[1]!.complete()
    deliveries[2]!.complete()
    await clock.advance(300)
    expect(committed()).toBe(2)
    deliveries[0]!.complete()
    await clock.advance(300)
    expect(committed()).toBe(9)
    void consumer().events.fetched({ partition: 0, records: [], nextOffset: 12 })
    await clock.advance(300)
    expect(committed()).toBe(12)
  })

  it('covers many messages, at most one for each interval', async () => {
    const { consumer, deliveries, clock, committed } = await rig()
    const before = consumer().commits.length
    fetch(consumer(), 0, 100)
    await settled()
    for (const delivery of deliveries.slice(0, 99)) delivery.complete()
    await clock.advance(240)
    expect(consumer().commits).toHaveLength(before)
    await clock.advance(20)
    expect(consumer().commits).toHaveLength(before + 1)
    expect(committed()).toBe(99)
    await clock.advance(10_000)
    expect(consumer().commits).toHaveLength(before + 1)
  })

  it('that failed is repeated', async () => {
    const { consumer, deliveries, clock, committed } = await rig()
    fetch(consumer(), 0, 2)
    await settled()
    consumer().failCommits = 'connection'
    for (const delivery of deliveries) delivery.complete()
    await clock.advance(600)
    consumer().failCommits = undefined
    await clock.advance(300)
    expect(committed()).toBe(2)
  })

  it('is not made for what was released', async () => {
    const { consumer, deliveries, clock, committed } = await rig()
    fetch(consumer(), 0, 1)
    await settled()
    deliveries[0]!.release()
    await clock.advance(300)
    expect(committed()).toBe(0)
    await clock.advance(1_000)
    expect(deliveries).toHaveLength(2)
    deliveries[1]!.complete()
    await clock.advance(300)
    expect(committed()).toBe(1)
  })
})

describe('a rebalance', () => {
  it('stops handing over until it is known what stays', async () => {
    const { consumer, offsets } = await rig()
    fetch(consumer(), 0, 2)
    await settled()
    consumer().events.rebalancing()
    fetch(consumer(), 0, 2, 1)
    await settled()
    expect(offsets).toEqual([0, 1])
    consumer().events.assigned([0, 1])
    await settled()
    expect(offsets).toEqual([0, 1, 0, 1])
  })

  it('stops committing until it is known what stays', async () => {
    const { consumer, deliveries, clock, committed } = await rig()
    fetch(consumer(), 0, 2)
    await settled()
    consumer().events.rebalancing()
    deliveries[0]!.complete()
    await clock.advance(1_000)
    expect(committed()).toBe(0)
    consumer().events.assigned([0])
    await clock.advance(300)
    expect(committed()).toBe(1)
  })

  it('commits what is done before it, and says that nobody died', async () => {
    const { driver, consumer, deliveries } = await rig()
    fetch(consumer(), 0, 3)
    await settled()
    deliveries[0]!.complete()
    consumer().events.rebalancing()
    await settled()
    expect(said(driver, 0)).toEqual({ offset: 1, v: 1 })
  })

  it('makes the deliveries of a lost partition stale: they commit nothing', async () => {
    const { consumer, deliveries, clock, committed } = await rig()
    fetch(consumer(), 0, 3)
    await settled()
    consumer().events.rebalancing()
    consumer().events.assigned([1])
    const { length } = consumer().commits
    for (const delivery of deliveries) delivery.complete()
    await clock.advance(1_000)
    expect(committed(0)).toBe(0)
    const later = consumer().commits.slice(length).flat()
    expect(later.every(({ partition }) => partition === 1)).toBe(true)
  })

  it('tells the deliveries of what is lost, and those alone', async () => {
    const { consumer, deliveries } = await rig()
    fetch(consumer(), 0, 2)
    fetch(consumer(), 0, 2, 1)
    await settled()
    consumer().events.rebalancing()
    expect(deliveries.map(({ lost }) => lost!.aborted)).toEqual([false, false, false, false])
    consumer().events.assigned([1])
    const lost = deliveries.filter((delivery) => delivery.lost!.aborted).map(({ address }) => address)
    expect(lost).toEqual(['orders[0]@0', 'orders[0]@1'])
  })

  it('makes room again for what is lost, once it is settled', async () => {
    const { consumer, deliveries } = await rig({ maxInFlight: 3 })
    fetch(consumer(), 0, 3)
    await settled()
    consumer().events.rebalancing()
    consumer().events.assigned([1])
    fetch(consumer(), 0, 3, 1)
    await settled()
    expect(deliveries).toHaveLength(3)
    deliveries[0]!.complete()
    deliveries[1]!.release()
    await settled()
    expect(deliveries).toHaveLength(5)
  })

  it('keeps what is in flight of a partition that stays, and fetches on behind it', async () => {
    const { driver, consumer, deliveries, offsets, clock, committed } = await rig()
    fetch(consumer(), 0, 3)
    await settled()
    consumer().events.rebalancing()
    consumer().events.assigned([0])
    expect(consumer().seeks.at(-1)).toEqual([0, 3])
    // Even if the client fetched again what was not committed.
    fetch(consumer(), 0, 5)
    await clock.advance(300)
    expect(offsets).toEqual([0, 1, 2, 3, 4])
    // Its last word before the rebalance was that it lets go; now it runs again.
    expect(said(driver, 0)).toEqual({ offset: 0, v: 1, head: 0, starts: 0, isRunning: true })
    for (const delivery of deliveries) delivery.complete()
    await clock.advance(1_000)
    expect(committed(0)).toBe(5)
  })

  it('keeps paused what was paused', async () => {
    const { consumer, clock } = await rig({ maxInFlight: 10 })
    fetch(consumer(), 0, 2_000)
    await clock.advance(150)
    consumer().paused.clear()
    consumer().events.rebalancing()
    consumer().events.assigned([0, 1])
    expect([...consumer().paused]).toEqual([0])
  })
})

describe('a consumer that dies', () => {
  it('is replaced, and what is in flight stays in flight', async () => {
    const { driver, consumer, deliveries, offsets, clock, committed, transport } = await rig()
    fetch(consumer(), 0, 3)
    await settled()
    const dead = consumer()
    dead.events.failed(new DriverError({ kind: 'connection', message: 'gone' }))
    await clock.advance(1_000)
    expect(dead.isStopped).toBe(true)
    expect(consumer()).not.toBe(dead)
    expect(transport.health()).toMatchObject({
      state: 'connecting',
      reasons: [{ code: 'notConsuming', what: 'orders.billing: gone' }],
    })
    consumer().events.assigned([0, 1])
    expect(transport.health()).toMatchObject({ state: 'connecting' })
    consumer().events.alive()
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 1, addresses: ['kafka:9092'] })
    expect(transport.health()).toMatchObject({ ready: true, reasons: [] })
    expect(consumer().seeks).toContainEqual([0, 3])
    fetch(consumer(), 3, 4)
    await settled()
    expect(offsets).toEqual([0, 1, 2, 3])
    for (const delivery of deliveries) delivery.complete()
    await clock.advance(1_000)
    expect(committed(0)).toBe(4)
    expect(said(driver, 0)).toEqual({ offset: 4, v: 1, head: 4, starts: 0, isRunning: true })
  })

  it('tells nothing any more', async () => {
    const { consumer, clock, offsets } = await rig()
    const dead = consumer()
    dead.events.failed(new DriverError({ kind: 'connection', message: 'gone' }))
    await clock.advance(1_000)
    consumer().events.assigned([0, 1])
    dead.events.assigned([])
    fetch(dead, 0, 3)
    await settled()
    expect(offsets).toEqual([])
    fetch(consumer(), 0, 1)
    await settled()
    expect(offsets).toEqual([0])
  })

  it('for want of its topic is replaced when the topic is made anew', async () => {
    const { driver, consumer, clock } = await rig()
    driver.topicCounts.delete('orders.billing.retry.0')
    consumer('orders.billing.retry.0').events.failed(new DriverError({ kind: 'unknownTopic', message: 'gone' }))
    await clock.advance(1_000)
    expect(driver.topicCounts.get('orders.billing.retry.0')).toBe(2)
    expect(driver.consumers.filter(({ options }) => options.topic === 'orders.billing.retry.0')).toHaveLength(2)
  })

  it('is not taken for lost by the late answer to a heartbeat of the generation before', async () => {
    const { consumer, clock, offsets } = await rig()
    let refuse!: (error: Error) => void
    consumer().heartbeat = () => new Promise((_resolve, reject) => (refuse = reject))
    await clock.advance(3_100)
    consumer().events.rebalancing()
    consumer().events.assigned([0, 1])
    refuse(new DriverError({ kind: 'membership', message: 'old generation' }))
    await settled()
    fetch(consumer(), 0, 2)
    await settled()
    expect(offsets).toEqual([0, 1])
  })

  it('without a word is replaced too', async () => {
    const { consumer, clock } = await rig()
    const silent = consumer()
    await clock.advance(60_000)
    expect(silent.isStopped).toBe(true)
    expect(consumer()).not.toBe(silent)
  })

  it('or stands still before a backlog is replaced, once for the same place', async () => {
    const { driver, consumer, clock } = await rig()
    driver.logs.set('orders', new Map([[0, { low: 0, high: 10 }]]))
    const alive = async (): Promise<void> => {
      for (let turn = 0; turn < 13; turn += 1) {
        for (const { events, isStopped } of driver.consumers) if (!isStopped) events.alive()
        await clock.advance(5_000)
      }
    }
    const stuck = consumer()
    await alive()
    expect(stuck.isStopped).toBe(true)
    consumer().events.assigned([0, 1])
    const second = consumer()
    await alive()
    await alive()
    expect(second.isStopped).toBe(false)
  })
})

describe('an offset that does not exist', () => {
  it('makes the partition begin anew where the broker does: nothing is taken for known', async () => {
    const { consumer, deliveries, offsets, clock, committed } = await rig()
    fetch(consumer(), 100, 110)
    await settled()
    for (const delivery of deliveries.slice(0, 5)) delivery.complete()
    await clock.advance(300)
    expect(committed()).toBe(105)
    // The topic was deleted and made anew.
    consumer().events.reset(0)
    fetch(consumer(), 0, 3)
    await settled()
    expect(offsets.slice(10)).toEqual([0, 1, 2])
    for (const delivery of deliveries) delivery.complete()
    await clock.advance(300)
    expect(committed()).toBe(3)
  })

  it('is noticed also when only some of the old ones were handed over, and none was done', async () => {
    const { consumer, offsets } = await rig()
    fetch(consumer(), 0, 10)
    await settled()
    consumer().events.reset(0)
    fetch(consumer(), 0, 4)
    await settled()
    expect(offsets.slice(10)).toEqual([0, 1, 2, 3])
  })
})

describe('a rung', () => {
  it('hands a message over when it is due, and not before', async () => {
    const { consumer, deliveries, clock } = await rig({ rungsMs: [5_000] })
    const rung = consumer('orders.billing.retry.5000')
    const fetched = [record(0, { timestampMs: clock.now() - 1_000 }), record(1, { timestampMs: clock.now() })]
    void rung.events.fetched({ partition: 0, records: fetched, nextOffset: 2 })
    await clock.advance(3_990)
    expect(deliveries).toHaveLength(0)
    await clock.advance(20)
    expect(deliveries).toHaveLength(1)
    await clock.advance(1_000)
    expect(deliveries).toHaveLength(2)
  })

  it('that is not due is paused at once, without holding up others', async () => {
    const { consumer, clock } = await rig({ rungsMs: [60_000] })
    const rung = consumer('orders.billing.retry.60000')
    const many = Array.from({ length: 1_200 }, (_, offset) => record(offset, { timestampMs: clock.now() }))
    expect(rung.events.fetched({ partition: 0, records: many, nextOffset: 1_200 })).toBeUndefined()
    expect([...rung.paused]).toEqual([0])
  })

  it('of another version of the service is found later', async () => {
    const { driver, clock } = await rig()
    driver.topicCounts.set('orders.billing.retry.777', 2)
    await clock.advance(31_000)
    expect(driver.consumers.map(({ options }) => options.topic)).toContain('orders.billing.retry.777')
  })
})

describe('stopping', () => {
  it('hands nothing over any more, and leaves when everything is settled', async () => {
    const { consumer, deliveries, running, clock, driver, committed } = await rig()
    fetch(consumer(), 0, 3)
    await settled()
    deliveries[0]!.complete()
    await running.stop(clock.monotonic() + 1_000)
    expect(committed()).toBe(1)
    fetch(consumer(), 3, 5)
    await settled()
    expect(deliveries).toHaveLength(3)
    expect(consumer().isStopped).toBe(false)
    deliveries[1]!.complete()
    deliveries[2]!.release()
    await settled()
    expect(consumer().isStopped).toBe(true)
    expect(said(driver, 0)).toEqual({ offset: 2, v: 1 })
  })

  it('leaves at once when nothing is in flight', async () => {
    const { consumer, running, clock } = await rig()
    await running.stop(clock.monotonic() + 1_000)
    expect(consumer().isStopped).toBe(true)
  })

  it('ends by its deadline also when the last commit is never answered', async () => {
    const { consumer, deliveries, transport, clock } = await rig()
    fetch(consumer(), 0, 3)
    await settled()
    consumer().commit = () => new Promise(() => {})
    deliveries[0]!.complete()
    const closing = transport.close(clock.monotonic() + 1_000)
    await clock.advance(1_000)
    await closing
    expect(consumer().isStopped).toBe(true)
  })

  it('leaves at close, whatever is unsettled, and no timer goes on', async () => {
    const { consumer, deliveries, transport, clock, committed } = await rig({ rungsMs: [1_000] })
    fetch(consumer(), 0, 3)
    await settled()
    const closing = transport.close(clock.monotonic() + 1_000)
    await clock.advance(100)
    await closing
    expect(consumer().isStopped).toBe(true)
    deliveries[0]!.complete()
    await settled()
    expect(committed()).toBe(0)
    expect(clock.pendingCount).toBe(0)
  })
})

describe('after a crash', () => {
  async function crashed(starts: number): Promise<Rig> {
    const made = await rig({}, {})
    const { driver, consumer } = made
    consumer().events.rebalancing()
    consumer().events.assigned([])
    const died = (head: number): { offset: number; metadata: string } => ({
      offset: head,
      metadata: JSON.stringify({ v: 1, head, starts, by: 'another' }),
    })
    driver.offsets.set('orders.billing', new Map([0, 1].map((partition) => [partition, died(0)])))
    consumer().events.assigned([0, 1])
    await settled()
    return made
  }

  it('messages go one at a time, over all partitions, each on record before it is handed over', async () => {
    const { driver, consumer, deliveries } = await crashed(2)
    fetch(consumer(), 0, 3)
    fetch(consumer(), 0, 3, 1)
    await settled()
    expect(deliveries).toHaveLength(1)
    const [first] = deliveries
    expect(first!.brokerRedeliveries).toBe(3)
    const partition = Number(/\[(\d)\]/.exec(first!.address)![1])
    expect(said(driver, partition)).toMatchObject({ head: 0, starts: 3, isRunning: true })
    // The other partition was not tried: its count stays.
    expect(said(driver, 1 - partition)).toMatchObject({ head: 0, starts: 2 })
    first!.complete()
    await settled()
    expect(deliveries).toHaveLength(2)
    // Every partition's head is tried before anything behind a head.
    expect(deliveries[1]!.address).toBe(first!.address.replace(`[${partition}]`, `[${1 - partition}]`))
    expect(deliveries[1]!.brokerRedeliveries).toBe(3)
    deliveries[1]!.complete()
    await settled()
    expect(deliveries).toHaveLength(3)
    expect(deliveries[2]!.brokerRedeliveries).toBe(0)
    expect(said(driver, partition)).toMatchObject({ offset: 1, head: 1, starts: 0, isRunning: true })
  })

  it('and ten seconds without another one, the usual way goes on, until a partition comes whose process died', async () => {
    const { driver, consumer, deliveries, clock } = await crashed(0)
    fetch(consumer(), 0, 50)
    await settled()
    expect(deliveries).toHaveLength(1)
    await clock.advance(11_000)
    deliveries[0]!.complete()
    await settled()
    expect(deliveries).toHaveLength(50)
    fetch(consumer(), 0, 50, 1)
    await settled()
    expect(deliveries).toHaveLength(100)
    for (const delivery of deliveries) delivery.complete()
    consumer().events.rebalancing()
    consumer().events.assigned([])
    await settled()
    const metadata = JSON.stringify({ v: 1, head: 50, starts: 0, by: 'another' })
    driver.offsets.set('orders.billing', new Map([0, 1].map((partition) => [partition, { offset: 50, metadata }])))
    consumer().events.assigned([0, 1])
    await settled()
    fetch(consumer(), 50, 100)
    await settled()
    expect(deliveries).toHaveLength(101)
  })

  it('and ten seconds without another one, the usual way goes on beside a handler that takes long', async () => {
    const { consumer, deliveries, running, transport, clock } = await crashed(0)
    fetch(consumer(), 0, 50)
    await clock.advance(9_000)
    expect(deliveries).toHaveLength(1)
    await clock.advance(2_000)
    // Nothing was settled, and nothing fetched.
    expect(deliveries).toHaveLength(50)
    void running.stop(clock.monotonic() + 1_000)
    await transport.close(clock.monotonic())
    await clock.advance(0)
    expect(clock.pendingCount).toBe(0)
  })

  it('that leave before their ten seconds are over leave no timer behind', async () => {
    const { consumer, deliveries, running, transport, clock } = await crashed(0)
    fetch(consumer(), 0, 50)
    fetch(consumer(), 0, 50, 1)
    await settled()
    expect(deliveries).toHaveLength(1)
    void running.stop(clock.monotonic() + 1_000)
    await transport.close(clock.monotonic())
    await clock.advance(0)
    expect(clock.pendingCount).toBe(0)
  })

  it('all partitions get their turn, and then the usual way', async () => {
    const { consumer, deliveries } = await crashed(0)
    fetch(consumer(), 0, 300)
    fetch(consumer(), 0, 300, 1)
    await settled()
    for (let handled = 0; handled < deliveries.length; handled += 1) {
      deliveries[handled]!.complete()
      await settled()
    }
    expect(deliveries).toHaveLength(600)
    const counts = deliveries.map(({ brokerRedeliveries }) => brokerRedeliveries)
    expect(counts.filter((count) => count === 1)).toHaveLength(2)
  })

  it('that was no crash, the count stays as it was', async () => {
    const { driver, consumer, deliveries, running, clock } = await crashed(2)
    fetch(consumer(), 0, 3)
    await settled()
    expect(deliveries[0]!.brokerRedeliveries).toBe(3)
    deliveries[0]!.release()
    await running.stop(clock.monotonic() + 1_000)
    for (const partition of [0, 1]) expect(said(driver, partition)).toEqual({ offset: 0, v: 1, head: 0, starts: 2 })
  })

  it('of nobody else there is no suspicion: our own record is no crash', async () => {
    const { consumer, deliveries } = await rig()
    // A rejoin that was not announced: what stands at the broker is what we wrote ourselves.
    consumer().events.assigned([0])
    consumer().events.assigned([0, 1])
    fetch(consumer(), 0, 3, 1)
    await settled()
    expect(deliveries.map(({ brokerRedeliveries }) => brokerRedeliveries)).toEqual([0, 0, 0])
  })

  it('a record that cannot be written holds the message back', async () => {
    const { consumer, deliveries, clock } = await crashed(0)
    consumer().failCommits = 'connection'
    fetch(consumer(), 0, 1)
    await clock.advance(1_000)
    expect(deliveries).toHaveLength(0)
    consumer().failCommits = undefined
    await clock.advance(1_000)
    expect(deliveries).toHaveLength(1)
  })
})
