import { afterEach, describe, expect, it } from 'vitest'
import { createKafkajsDriver } from '../../../src/driver/kafkajs/kafkajsDriver.js'
import { createPlatformaticDriver } from '../../../src/driver/platformatic/platformaticDriver.js'
import { brokersFromEnvironment } from '../../support/broker.js'
import { createDriverBench, eventually, inMs, outgoing } from '../driverBench.js'
import { driverSuite } from '../driverSuite.js'

describe('platformatic', () => {
  driverSuite(createPlatformaticDriver)

  const bench = createDriverBench(createPlatformaticDriver, brokersFromEnvironment)
  const others = createDriverBench(createKafkajsDriver, brokersFromEnvironment)
  afterEach(async () => {
    await others.close()
    await bench.close()
  })

  it('keeps its generation until what is in flight is worked off, and still commits', async () => {
    const driver = await bench.driver()
    const topic = await bench.topic(2)
    for (const partition of [0, 1]) await driver.send({ topic, partition, records: [outgoing(`p${partition}`)] })
    let letGo = (): void => {}
    const worked = new Promise<void>((resolve) => (letGo = resolve))
    const one = await bench.join(driver, topic, { partitions: 2, rebalanceTimeoutMs: 20_000, onDrained: () => worked })
    await one.until(() => one.records().length === 2)
    const two = bench.watch(driver, topic, { partitions: 2 })
    const joined = two.consumer.start()
    await one.until(() => one.told.includes('drained'))
    // Longer than the other one's heartbeats, and it is still outside.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect([one.assignments.length, two.assignments.length]).toEqual([1, 0])
    await one.consumer.commit([
      { partition: 0, offset: 1, metadata: '' },
      { partition: 1, offset: 1, metadata: '' },
    ])
    letGo()
    await joined
    await one.until(() => one.assignments.length === 2)
    await driver.send({ topic, partition: 0, records: [outgoing('after')] })
    await driver.send({ topic, partition: 1, records: [outgoing('after')] })
    await eventually(() => one.records().length + two.records().length === 4)
    // Nobody reads again what was committed on the way.
    expect(two.values()).toEqual(['after'])
  })

  it('gives a static member what it had, without a rebalance of the others', async () => {
    const driver = await bench.driver()
    const topic = await bench.topic(4)
    const named = (name: string): object => ({ partitions: 4, groupInstanceId: name, sessionTimeoutMs: 20_000 })
    const one = await bench.join(driver, topic, named('pod-1'))
    const two = await bench.join(driver, topic, named('pod-2'))
    await one.until(() => one.assignments.at(-1)!.length === 2)
    const [generations, had] = [one.assignments.length, two.assignments.at(-1)!]
    await two.consumer.stop(inMs(5_000))
    const again = await bench.join(driver, topic, named('pod-2'))
    expect(again.assignments).toEqual([had])
    // A heartbeat later, the other one would know of a rebalance.
    await one.consumer.heartbeat()
    expect(one.assignments).toHaveLength(generations)
  })

  it('shares partitions that were added while a static leader was away, and only then rebalances', async () => {
    const driver = await bench.driver()
    const topic = await bench.topic(2)
    const named = (name: string): object => ({ partitions: 2, groupInstanceId: name, sessionTimeoutMs: 20_000 })
    const leader = await bench.join(driver, topic, named('pod-1'))
    const other = await bench.join(driver, topic, named('pod-2'))
    await leader.until(() => leader.assignments.at(-1)!.length === 1)
    const [generations, had] = [other.assignments.length, leader.assignments.at(-1)!]
    await leader.consumer.stop(inMs(5_000))
    const second = await bench.join(driver, topic, named('pod-1'))
    await second.until(() => second.told.includes('alive'))
    await other.consumer.heartbeat()
    expect([second.assignments, other.assignments.length]).toEqual([[had], generations])
    await second.consumer.stop(inMs(5_000))
    const admin = await bench.admin()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    await eventually(async () => (await driver.partitionCount(topic).catch(() => 0)) === 4)
    for (const partition of [2, 3]) await driver.send({ topic, partition, records: [outgoing('new')] })
    const third = await bench.join(driver, topic, named('pod-1'))
    await eventually(() => third.values().concat(other.values()).length === 2)
    expect([third.assignments.at(-1)!.length, other.assignments.at(-1)!.length]).toEqual([2, 2])
    // Its heartbeats end no generation any more.
    const settledAt = [third.assignments.length, other.assignments.length]
    for (let beat = 0; beat < 3; beat += 1) await third.consumer.heartbeat()
    expect([third.assignments.length, other.assignments.length]).toEqual(settledAt)
  })

  it('tells the process whose name another one has taken, once', async () => {
    const driver = await bench.driver()
    const topic = await bench.topic(1)
    const one = await bench.join(driver, topic, { groupInstanceId: 'pod-1' })
    const two = await bench.join(driver, topic, { groupInstanceId: 'pod-1' })
    await one.until(() => one.failures.length > 0)
    expect(one.failures).toMatchObject([{ kind: 'membership' }])
    await two.consumer.heartbeat()
    expect(two.failures).toEqual([])
  })

  it('finds new partitions, and shares them', async () => {
    const driver = await bench.driver()
    const topic = await bench.topic(1)
    const got = await bench.join(driver, topic, { metadataMaxAgeMs: 1_000 })
    const admin = await bench.admin()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    await got.until(() => got.assignments.at(-1)!.length === 3)
    await eventually(async () => (await driver.partitionCount(topic).catch(() => 0)) === 3)
    await driver.send({ topic, partition: 2, records: [outgoing('new')] })
    await got.until(() => got.values(2).includes('new'))
  })

  it('begins anew with a topic that was deleted and made again, and says so', async () => {
    const driver = await bench.driver()
    const topic = await bench.topic(1)
    await driver.send({ topic, partition: 0, records: ['a', 'b', 'c'].map((value) => outgoing(value)) })
    const got = await bench.join(driver, topic, { metadataMaxAgeMs: 500 })
    await got.until(() => got.records().length === 3)
    const admin = await bench.admin()
    await admin.deleteTopics({ topics: [topic] })
    await eventually(() =>
      admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true }).then(
        () => true,
        () => false,
      ),
    )
    // More than the one before had: by its offset alone, nobody could tell it from that one.
    const values = ['d', 'e', 'f', 'g', 'h']
    await eventually(() =>
      driver.send({ topic, partition: 0, records: values.map((value) => outgoing(value)) }).then(
        () => true,
        () => false,
      ),
    )
    // It may have seen the time without a topic; then it has failed, and the next one begins where nothing is committed.
    await eventually(() => got.failures.length > 0 || got.records().length === 8)
    const next = got.failures.length > 0 ? await bench.join(driver, topic) : got
    await next.until(() => next.values().includes('h'))
    expect(next.values().slice(-5)).toEqual(values)
    if (next === got) expect(got.resets).toEqual([0])
  })

  it('shares a group with members on kafkajs, whoever leads it', async () => {
    const [driver, other] = [await bench.driver(), await others.driver()]
    for (const isFirst of [true, false]) {
      const topic = await bench.topic(4)
      const first = await (isFirst ? bench : others).join(isFirst ? driver : other, topic, { partitions: 4 })
      const second = await (isFirst ? others : bench).join(isFirst ? other : driver, topic, { partitions: 4 })
      await first.until(() => first.assignments.at(-1)!.length === 2)
      const shared = [...first.assignments.at(-1)!, ...second.assignments.at(-1)!]
      expect(shared.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
      for (const partition of [0, 1, 2, 3]) await driver.send({ topic, partition, records: [outgoing('x')] })
      await eventually(() => first.records().length === 2 && second.records().length === 2)
    }
  })
})
