import { silentLogger } from '@posthorn/core/adapter'
import type { Delivery } from '@posthorn/core/adapter'
import { expect, test } from 'vitest'
import { DriverError } from '../src/driver/driverError.js'
import { createKafkaOn } from '../src/kafka.js'
import { createFakeDriver, records } from './support/fakeDriver.js'
import type { FakeConsumer, FakeDriver } from './support/fakeDriver.js'
import { createManualClock, settled } from './support/manualClock.js'
import type { ManualClock } from './support/manualClock.js'

const groupId = 'orders.billing'

/** A group that has handled and committed three messages of partition 0. */
async function rig(): Promise<{
  readonly driver: FakeDriver
  readonly clock: ManualClock
  readonly addresses: string[]
  readonly consumer: () => FakeConsumer
}> {
  const driver = createFakeDriver({ orders: 2 })
  const clock = createManualClock()
  const transport = createKafkaOn({ brokers: ['kafka:9092'] }, driver.createDriver)
  await transport.connect({ logger: silentLogger, clock }, [], { deadline: clock.monotonic() + 1_000 })
  const addresses: string[] = []
  const take = (items: readonly Delivery[]): void => {
    for (const delivery of items) {
      addresses.push(delivery.address)
      delivery.complete()
    }
  }
  const subscribing = transport.subscribe(
    {
      destination: 'orders',
      group: 'billing',
      source: 'work',
      types: 'all',
      rungsMs: [],
      ordered: false,
      maxInFlight: 100,
      maxInFlightBytes: 1_000_000,
    },
    take,
    { deadline: clock.monotonic() + 60_000 },
  )
  await settled()
  for (const { events } of driver.consumers) events.assigned([0, 1])
  await subscribing
  const consumer = (): FakeConsumer => driver.consumers.filter(({ options }) => options.topic === 'orders').at(-1)!
  void consumer().events.fetched({ partition: 0, records: records(0, 3), nextOffset: 3 })
  await clock.advance(1_000)
  expect(driver.offsets.get(groupId)?.get(0)?.offset).toBe(3)
  return { driver, clock, addresses, consumer }
}

test('a topic that was made anew is read from its beginning, and the offset in the old one is not committed for it', async () => {
  const { driver, clock, addresses, consumer } = await rig()
  const before = consumer()
  // With the topic, the broker has forgotten what the group had committed.
  driver.offsets.delete(groupId)
  before.events.assigned([0, 1])
  await clock.advance(1_000)
  expect(consumer()).not.toBe(before)
  expect(before.commits.flat().filter(({ partition, offset }) => partition === 0 && offset === 3)).toHaveLength(1)
  consumer().events.assigned([0, 1])
  await settled()
  expect(driver.offsets.get(groupId)?.get(0)?.offset).toBe(0)
  void consumer().events.fetched({ partition: 0, records: records(0, 2), nextOffset: 2 })
  await clock.advance(1_000)
  expect(addresses.slice(3)).toEqual(['orders[0]@0', 'orders[0]@1'])
  expect(driver.offsets.get(groupId)?.get(0)?.offset).toBe(2)
})

test('nothing is committed for a consumer that died for want of its topic', async () => {
  const { driver, clock, consumer } = await rig()
  const dead = consumer()
  const commits = dead.commits.length
  driver.offsets.delete(groupId)
  dead.events.failed(new DriverError({ kind: 'unknownTopic', message: 'gone' }))
  await clock.advance(1_000)
  expect(dead.commits).toHaveLength(commits)
  expect(driver.offsets.get(groupId)).toBeUndefined()
})

test('what is kept is not committed before it is known that the topic is the same, and then it is', async () => {
  const { driver, clock, consumer } = await rig()
  driver.failQuestions = 'unavailable'
  consumer().events.assigned([0, 1])
  const commits = consumer().commits.length
  void consumer().events.fetched({ partition: 0, records: records(3, 5), nextOffset: 5 })
  await clock.advance(2_000)
  expect(consumer().commits).toHaveLength(commits)
  driver.failQuestions = undefined
  await clock.advance(5_000)
  expect(driver.offsets.get(groupId)?.get(0)?.offset).toBe(5)
})

test('a partition that somebody else had meanwhile goes on where the group stands, not where we were', async () => {
  const { driver, clock, addresses, consumer } = await rig()
  const member = consumer()
  member.events.rebalancing()
  void member.events.fetched({ partition: 0, records: records(3, 8), nextOffset: 8 })
  // We were out of the group: another member went on to 6, and left.
  driver.offsets.get(groupId)!.set(0, { offset: 6, metadata: '' })
  member.events.assigned([0, 1])
  await clock.advance(1_000)
  expect(driver.offsets.get(groupId)?.get(0)?.offset).toBe(6)
  expect(member.seeks.at(-1)).toEqual([0, 6])
  void member.events.fetched({ partition: 0, records: records(6, 8), nextOffset: 8 })
  await clock.advance(1_000)
  expect(addresses.slice(3)).toEqual(['orders[0]@6', 'orders[0]@7'])
  expect(driver.offsets.get(groupId)?.get(0)?.offset).toBe(8)
})
