import { afterEach, describe, expect, it } from 'vitest'
import type { CreateDriver } from '../../src/driver/driver.js'
import { DriverError } from '../../src/driver/driverError.js'
import { brokersFromEnvironment } from '../support/broker.js'
import { createDriverBench, eventually, inMs, outgoing } from './driverBench.js'

/**
 * What every driver does, on a real broker: each method and each event of the port. A driver's own test file calls it,
 * and adds what this driver can beyond it.
 */
export function driverSuite(create: CreateDriver): void {
  const bench = createDriverBench(create, brokersFromEnvironment)
  afterEach(() => bench.close())

  describe('connecting', () => {
    it('resolves when a broker has answered, and again', async () => {
      const driver = await bench.driver()
      await driver.connect()
      await driver.connect()
    })

    it('goes on to the next address when one does not answer', async () => {
      const driver = await bench.driver({ brokers: ['127.0.0.1:9', ...bench.brokers] })
      // One call may be spent on the address where nobody is.
      await eventually(() =>
        driver.connect().then(
          () => true,
          () => false,
        ),
      )
      expect(await driver.topics()).toBeInstanceOf(Array)
    })

    it('rejects as a connection that failed when nobody is there, and may be tried again', async () => {
      const driver = await bench.driver({ brokers: ['127.0.0.1:9'] })
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const error = await driver.connect().catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(DriverError)
        expect(error).toMatchObject({ kind: 'connection' })
      }
    })

    it('does nothing any more after closing, and says so', async () => {
      const driver = await bench.driver()
      await driver.connect()
      await driver.close(inMs(5_000))
      await driver.close(inMs(5_000))
      await expect(driver.topics()).rejects.toMatchObject({ kind: 'closed' })
      const send = driver.send({ topic: 'any', partition: 0, records: [outgoing('late')] })
      await expect(send).rejects.toMatchObject({ kind: 'closed', written: 'no' })
    })
  })

  describe('topics', () => {
    it('have a number of partitions, or are not there', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(3)
      expect(await driver.partitionCount(topic)).toBe(3)
      expect(await driver.partitionCount(`${topic}-not`)).toBeUndefined()
      // The question about the one that is not there must not spoil the others.
      expect(await driver.partitionCount(topic)).toBe(3)
      expect(await driver.topics()).toContain(topic)
    })

    it('are created once, by whoever is first', async () => {
      const [one, two] = [await bench.driver(), await bench.driver()]
      const beside = await bench.topic()
      const topic = `${beside}.new`
      const admin = await bench.admin()
      try {
        const plan = [{ topic, partitions: 4, replicationFactor: 1, configs: {}, beside }]
        await Promise.all([one.createTopics(plan), two.createTopics(plan)])
        await two.createTopics([{ ...plan[0]!, partitions: 9 }])
        await eventually(async () => (await one.partitionCount(topic).catch(() => undefined)) === 4)
      } finally {
        await admin.deleteTopics({ topics: [topic] })
      }
    })

    it('are described with their settings, and deleted', async () => {
      const driver = await bench.driver()
      const beside = await bench.topic()
      const topic = `${beside}.described`
      const configs = { 'retention.ms': '123456' }
      expect((await driver.describeTopics([topic])).size).toBe(0)
      await driver.createTopics([{ topic, partitions: 2, replicationFactor: 1, configs, beside }])
      await eventually(async () => (await driver.describeTopics([topic, beside]).catch(() => undefined))?.size === 2)
      const described = (await driver.describeTopics([topic])).get(topic)
      expect(described).toMatchObject({ partitions: 2, replicationFactor: 1, configs })
      // Also what the broker has for all topics.
      expect(described?.configs?.['cleanup.policy']).toBe('delete')
      await driver.deleteTopic(topic)
      await eventually(async () => (await driver.partitionCount(topic).catch(() => 0)) === undefined)
      await driver.deleteTopic(topic)
      expect(await driver.memberCount(`${topic}-group`)).toBe(0)
    })

    it('that the broker refuses are the fault of the plan', async () => {
      const driver = await bench.driver()
      const beside = await bench.topic()
      const plan = { topic: `${beside}.new`, partitions: 1, replicationFactor: 99, configs: {}, beside }
      await expect(driver.createTopics([plan])).rejects.toMatchObject({ kind: 'invalidTopic' })
    })
  })

  describe('sending', () => {
    it('keeps keys, values, headers and times as they are', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      const at = Date.now() - 5_000
      await driver.send({
        topic,
        partition: 0,
        records: [
          outgoing('plain', { timestampMs: at }),
          outgoing('keyed', { key: 'käse', headers: { a: '1', 'ü-name': 'grüße', empty: '' } }),
          outgoing(null, { key: 'tombstone' }),
          outgoing('', { key: '' }),
        ],
      })
      const got = await bench.join(driver, topic)
      await got.until(() => got.records().length === 4)
      expect(got.records().map(({ offset }) => offset)).toEqual([0, 1, 2, 3])
      expect(got.values()).toEqual(['plain', 'keyed', null, ''])
      expect(got.records().map(({ key }) => key?.toString() ?? null)).toEqual([null, 'käse', 'tombstone', ''])
      expect(got.records()[0]!.timestampMs).toBe(at)
      const headers = Object.entries(got.records()[1]!.headers).map(([name, value]) => [name, String(value)])
      expect(Object.fromEntries(headers)).toEqual({ a: '1', 'ü-name': 'grüße', empty: '' })
      expect(got.records()[0]!.headers).toEqual({})
    })

    it('writes batch after batch in order, hundreds of records each, to many partitions at a time', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(4)
      const partitions = [0, 1, 2, 3]
      await Promise.all(
        partitions.map(async (partition) => {
          for (let batch = 0; batch < 4; batch += 1) {
            const records = Array.from({ length: 500 }, (_, index) => outgoing(`${partition}/${batch * 500 + index}`))
            await driver.send({ topic, partition, records })
          }
        }),
      )
      const got = await bench.join(driver, topic, { partitions: 4 })
      await got.until(() => got.records().length === 8_000)
      for (const partition of partitions) {
        expect(got.values(partition)).toEqual(Array.from({ length: 2_000 }, (_, index) => `${partition}/${index}`))
      }
    })

    it('says that the broker takes no batch of this size, and that nothing was written', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1, { 'max.message.bytes': '10000' })
      const send = driver.send({ topic, partition: 0, records: [outgoing('x'.repeat(20_000))] })
      await expect(send).rejects.toMatchObject({ kind: 'tooLarge', written: 'no' })
      await driver.send({ topic, partition: 0, records: [outgoing('small')] })
      expect((await driver.logOffsets(topic)).get(0)).toEqual({ low: 0, high: 1 })
    })

    it('says that the broker does not take one of the records', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1, { 'cleanup.policy': 'compact' })
      const send = driver.send({ topic, partition: 0, records: [outgoing('without a key')] })
      await expect(send).rejects.toMatchObject({ kind: 'invalidRecord', written: 'no' })
      await driver.send({ topic, partition: 0, records: [outgoing('with one', { key: 'k' })] })
    })

    it('says that there is no such topic, and that nothing was written', async () => {
      const driver = await bench.driver()
      await driver.connect()
      const send = driver.send({ topic: 'driver-nobody-made-this', partition: 0, records: [outgoing('lost')] })
      await expect(send).rejects.toMatchObject({ kind: 'unknownTopic', written: 'no' })
    })

    it('is not written for sure while nobody is there', async () => {
      const driver = await bench.driver({ brokers: ['127.0.0.1:9'] })
      const send = driver.send({ topic: 'any', partition: 0, records: [outgoing('lost')] })
      await expect(send).rejects.toMatchObject({ kind: 'connection', written: 'no' })
    })
  })

  describe('offsets', () => {
    it('are committed with their metadata, and read with it', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(3)
      for (const partition of [0, 1, 2]) {
        await driver.send({ topic, partition, records: [outgoing('a'), outgoing('b')] })
      }
      expect(await driver.committed(topic, topic)).toEqual(new Map())
      const got = await bench.join(driver, topic, { partitions: 3 })
      await got.until(() => got.records().length === 6)
      await got.consumer.commit([
        { partition: 0, offset: 1, metadata: '{"head":1}' },
        { partition: 2, offset: 2, metadata: '' },
      ])
      const committed = await driver.committed(topic, topic)
      expect([...committed].sort(([a], [b]) => a - b)).toEqual([
        [0, { offset: 1, metadata: '{"head":1}' }],
        [2, { offset: 2, metadata: '' }],
      ])
    })

    it('of the log are its ends', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(2)
      await driver.send({ topic, partition: 1, records: ['a', 'b', 'c'].map((value) => outgoing(value)) })
      await bench.deleteBefore(topic, 1, 2)
      const ends = await driver.logOffsets(topic)
      expect(ends.get(0)).toEqual({ low: 0, high: 0 })
      expect(ends.get(1)).toEqual({ low: 2, high: 3 })
    })

    it('of the log say where an open transaction begins, behind which nobody may read', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      await driver.send({ topic, partition: 0, records: [outgoing('a')] })
      const producer = await bench.producer({ transactionalId: topic })
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value: 'b' }] })
      await driver.send({ topic, partition: 0, records: [outgoing('c')] })
      expect((await driver.logOffsets(topic)).get(0)).toEqual({ low: 0, high: 3 })
      expect(await driver.readableEnds(topic)).toEqual(new Map([[0, 1]]))
      await transaction.abort()
    })

    it('are where the next member goes on', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      await driver.send({ topic, partition: 0, records: ['a', 'b', 'c'].map((value) => outgoing(value)) })
      const first = await bench.join(driver, topic)
      await first.until(() => first.records().length === 3)
      await first.consumer.commit([{ partition: 0, offset: 2, metadata: '' }])
      await first.consumer.stop(inMs(5_000))
      const second = await bench.join(driver, topic)
      await second.until(() => second.records().length > 0)
      expect(second.values()).toEqual(['c'])
    })
  })

  describe('fetching', () => {
    it('tells the assignment before anything of it, and that it is alive while nothing comes', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(2)
      const got = await bench.join(driver, topic, { partitions: 2 })
      expect(got.assignments).toEqual([[0, 1]])
      await got.until(() => got.told.includes('alive'))
      expect(got.told[0]).toBe('assigned')
      await got.consumer.heartbeat()
      await driver.send({ topic, partition: 1, records: [outgoing('a')] })
      await got.until(() => got.records(1).length === 1)
      expect(got.batches.at(-1)).toMatchObject({ partition: 1, nextOffset: 1 })
      expect(got.failures).toEqual([])
    })

    it('waits for whoever takes a batch before it brings the next of this partition', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      let letGo = (): void => {}
      const taken = new Promise<void>((resolve) => (letGo = resolve))
      await driver.send({ topic, partition: 0, records: [outgoing('a')] })
      const got = await bench.join(driver, topic, { onFetched: () => taken })
      await got.until(() => got.batches.length === 1)
      await driver.send({ topic, partition: 0, records: [outgoing('b')] })
      // Long enough for another fetch: the broker has the record.
      await new Promise((resolve) => setTimeout(resolve, 600))
      expect(got.values()).toEqual(['a'])
      letGo()
      await got.until(() => got.records().length === 2)
      expect(got.values()).toEqual(['a', 'b'])
    })

    it('brings nothing of a partition that is paused, and all of it after that', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(2)
      const got = await bench.join(driver, topic, { partitions: 2 })
      await got.until(() => got.told.includes('alive'))
      got.consumer.pause([0])
      await driver.send({ topic, partition: 0, records: [outgoing('paused')] })
      await driver.send({ topic, partition: 1, records: [outgoing('flows')] })
      await got.until(() => got.records(1).length === 1)
      await driver.send({ topic, partition: 1, records: [outgoing('goes on')] })
      await got.until(() => got.records(1).length === 2)
      expect(got.values(0)).toEqual([])
      got.consumer.resume([0])
      await got.until(() => got.records(0).length === 1)
      expect(got.values(0)).toEqual(['paused'])
    })

    it('goes on where it is told to, back and forth', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      await driver.send({ topic, partition: 0, records: ['a', 'b', 'c', 'd'].map((value) => outgoing(value)) })
      const got = await bench.join(driver, topic)
      await got.until(() => got.records().length === 4)
      got.consumer.seek(0, 2)
      await got.until(() => got.records().length === 6)
      expect(got.values().slice(4)).toEqual(['c', 'd'])
      got.consumer.seek(0, 3)
      await got.until(() => got.records().length === 7)
      expect(got.values().at(-1)).toBe('d')
    })

    it('says when the offset does not exist any more, and goes on at the first one that does', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      await driver.send({ topic, partition: 0, records: ['a', 'b', 'c', 'd'].map((value) => outgoing(value)) })
      const admin = await bench.admin()
      await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: '1' }] })
      await bench.deleteBefore(topic, 0, 3)
      const got = await bench.join(driver, topic)
      await got.until(() => got.records().length > 0)
      expect(got.resets).toEqual([0])
      expect(got.values()).toEqual(['d'])
      expect(got.told.indexOf('reset')).toBeLessThan(got.told.indexOf('fetched'))
    })

    it('says so too when the offset does not exist yet', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      await driver.send({ topic, partition: 0, records: [outgoing('a'), outgoing('b')] })
      const admin = await bench.admin()
      await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: '77' }] })
      const got = await bench.join(driver, topic)
      await got.until(() => got.records().length > 0)
      expect(got.resets).toEqual([0])
      expect(got.values()).toEqual(['a', 'b'])
    })

    it('brings what transactions have committed, and nothing of what they gave up', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      const producer = await bench.producer({ transactionalId: topic })
      const write = async (value: string, ends: 'commit' | 'abort'): Promise<void> => {
        const transaction = await producer.transaction()
        await transaction.send({ topic, messages: [{ value: `${value}-1` }, { value: `${value}-2` }] })
        await (ends === 'commit' ? transaction.commit() : transaction.abort())
      }
      await write('kept', 'commit')
      await write('dropped', 'abort')
      await driver.send({ topic, partition: 0, records: [outgoing('plain')] })
      await write('kept too', 'commit')
      await write('dropped too', 'abort')
      const { high } = (await driver.logOffsets(topic)).get(0)!
      const got = await bench.join(driver, topic)
      // The control records at the end belong to nobody, and must not be waited for.
      await got.until(() => (got.batches.at(-1)?.nextOffset ?? 0) >= high)
      expect(got.values()).toEqual(['kept-1', 'kept-2', 'plain', 'kept too-1', 'kept too-2'])
    })

    it('reads what others have compressed with gzip', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      const producer = await bench.producer()
      const values = Array.from({ length: 50 }, (_, index) => `${index} ${'x'.repeat(200)}`)
      await producer.send({ topic, compression: 1, messages: values.map((value) => ({ key: 'k', value })) })
      const got = await bench.join(driver, topic)
      await got.until(() => got.records().length === 50)
      expect(got.values()).toEqual(values)
    })

    it('brings one message that is larger than a fetch', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic()
      await driver.send({ topic, partition: 0, records: [outgoing('x'.repeat(100_000)), outgoing('after')] })
      const got = await bench.join(driver, topic, { maxPartitionFetchBytes: 10_000 })
      await got.until(() => got.records().length === 2)
      expect(got.values()[1]).toBe('after')
    })
  })

  describe('a group', () => {
    it('shares the partitions, tells a rebalance before it, and gives them to who is left', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(4)
      const one = await bench.join(driver, topic, { partitions: 4 })
      expect(one.assignments.at(-1)).toEqual([0, 1, 2, 3])
      const two = await bench.join(driver, topic, { partitions: 4 })
      await one.until(() => one.assignments.length >= 2 && one.assignments.at(-1)!.length === 2)
      const events = one.told.filter((what) => what === 'assigned' || what === 'rebalancing')
      expect(events.slice(0, 2)).toEqual(['assigned', 'rebalancing'])
      expect([...one.assignments.at(-1)!, ...two.assignments.at(-1)!].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
      for (const partition of [0, 1, 2, 3]) {
        await driver.send({ topic, partition, records: [outgoing(`p${partition}`)] })
      }
      await eventually(() => one.records().length + two.records().length === 4)
      expect(new Set(one.values())).toEqual(new Set(one.assignments.at(-1)!.map((partition) => `p${partition}`)))
      await one.consumer.stop(inMs(5_000))
      await two.until(() => two.assignments.at(-1)!.length === 4)
    })

    it('has members without a partition, and they live', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      const one = await bench.join(driver, topic)
      const two = await bench.join(driver, topic)
      await eventually(() => one.assignments.at(-1)!.length + two.assignments.at(-1)!.length === 1)
      const idle = one.assignments.at(-1)!.length === 0 ? one : two
      idle.told.length = 0
      await idle.until(() => idle.told.includes('alive'))
      await idle.consumer.heartbeat()
      expect(idle.failures).toEqual([])
    })

    it('takes a commit of this generation only', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      await driver.send({ topic, partition: 0, records: [outgoing('a'), outgoing('b')] })
      const one = await bench.join(driver, topic)
      await one.until(() => one.records().length === 2)
      await one.consumer.commit([{ partition: 0, offset: 1, metadata: 'mine' }])
      await one.consumer.stop(inMs(5_000))
      // Whoever has left owns nothing: the commit fails, and what stands there stays.
      await one.consumer.commit([{ partition: 0, offset: 2, metadata: 'late' }]).catch(() => {})
      expect((await driver.committed(topic, topic)).get(0)).toEqual({ offset: 1, metadata: 'mine' })
    })

    it('and another one do not know each other', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      await driver.send({ topic, partition: 0, records: [outgoing('a')] })
      const [one, two] = await Promise.all([
        bench.join(driver, topic),
        bench.join(driver, topic, { groupId: `${topic}.other` }),
      ])
      await Promise.all([one.until(() => one.records().length === 1), two.until(() => two.records().length === 1)])
    })
  })

  describe('the end', () => {
    it('of a consumer comes while it fetches and while a batch is being taken, and it is silent then', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      await driver.send({ topic, partition: 0, records: [outgoing('a')] })
      const got = await bench.join(driver, topic, { onFetched: () => new Promise(() => {}) })
      await got.until(() => got.batches.length === 1)
      const before = inMs(0)
      await Promise.all([got.consumer.stop(inMs(3_000)), got.consumer.stop(inMs(3_000))])
      expect(inMs(0) - before).toBeLessThan(10_000)
      const told = got.told.length
      await driver.send({ topic, partition: 0, records: [outgoing('b')] })
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(got.told).toHaveLength(told)
    })

    it('of a consumer that never started is immediate', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      await bench.watch(driver, topic).consumer.stop(inMs(1_000))
    })

    it('of a consumer while it joins rejects its start', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      const got = bench.watch(driver, topic)
      const started = got.consumer.start().catch((error: unknown) => error)
      await got.consumer.stop(inMs(5_000))
      expect(await started).toBeInstanceOf(DriverError)
      expect(got.failures).toEqual([])
    })

    it('of its topic is told once, as a failure or as a start that rejects', async () => {
      const driver = await bench.driver()
      const topic = await bench.topic(1)
      const got = await bench.join(driver, topic)
      await got.until(() => got.told.includes('alive'))
      await (await bench.admin()).deleteTopics({ topics: [topic] })
      await got.until(() => got.failures.length > 0, 60_000)
      expect(got.failures).toHaveLength(1)
      expect(got.failures[0]).toMatchObject({ kind: 'unknownTopic' })
      const next = bench.watch(driver, topic)
      await expect(next.consumer.start()).rejects.toMatchObject({ kind: 'unknownTopic' })
      expect(next.failures).toEqual([])
    })
  })
}
