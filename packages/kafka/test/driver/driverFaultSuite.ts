import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { acquireKafka } from '../../../../test/stack/src/index.js'
import type { Kafka } from '../../../../test/stack/src/index.js'
import type { CreateDriver } from '../../src/driver/driver.js'
import { createDriverBench, eventually, inMs, outgoing } from './driverBench.js'

/** What every driver does while its broker is frozen, dead or starting again: everything settles, nothing stays. */
export function driverFaultSuite(create: CreateDriver): void {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await acquireKafka({ fresh: true })
  })
  afterAll(() => kafka?.release())

  const bench = createDriverBench(create, () => kafka.brokers)
  afterEach(() => bench.close())

  describe('a broker that is frozen', () => {
    it('keeps no stop and no close beyond its deadline, and no send beyond the request timeout', async () => {
      const driver = await bench.driver({ requestTimeoutMs: 1_500 })
      const topic = await bench.topic()
      const got = await bench.join(driver, topic)
      await driver.send({ topic, partition: 0, records: [outgoing('a')] })
      await got.until(() => got.records().length === 1)
      await kafka.control!.pause()
      try {
        const before = inMs(0)
        const send = driver.send({ topic, partition: 0, records: [outgoing('b')] })
        // It may have arrived: the broker reads it as soon as it thaws.
        await expect(send).rejects.toMatchObject({ kind: 'connection', written: 'unknown' })
        expect(inMs(0) - before).toBeLessThan(10_000)
        const beforeStop = inMs(0)
        const commit = got.consumer.commit([{ partition: 0, offset: 1, metadata: '' }]).catch(() => 'failed')
        await got.consumer.stop(inMs(1_000))
        await driver.close(inMs(1_000))
        expect(inMs(0) - beforeStop).toBeLessThan(10_000)
        expect(await commit).toBe('failed')
      } finally {
        await kafka.control!.resume()
      }
    })

    it('leaves no socket and no timer behind', async () => {
      const before = resources()
      const driver = create({ ...bench.settings(), requestTimeoutMs: 60_000 })
      const topic = await bench.topic()
      const got = await bench.join(driver, topic)
      await driver.send({ topic, partition: 0, records: [outgoing('a')] })
      await got.until(() => got.records().length === 1)
      await bench.letGo()
      await kafka.control!.pause()
      try {
        const pending = [
          driver.send({ topic, partition: 0, records: [outgoing('b')] }),
          driver.logOffsets(topic),
          got.consumer.commit([{ partition: 0, offset: 1, metadata: '' }]),
        ].map((promise) => promise.catch(() => 'failed'))
        // One that came just after another need not be sent.
        const beat = got.consumer.heartbeat().catch(() => 'failed')
        await got.consumer.stop(inMs(500))
        await driver.close(inMs(500))
        expect(await Promise.all(pending)).toEqual(pending.map(() => 'failed'))
        await beat
        // Those of the tools of this test are among both.
        await eventually(() => resources() <= before, 5_000)
      } finally {
        await kafka.control!.resume()
      }
    })
  })

  describe("what Kafka's own producer has compressed", () => {
    it('is read with every codec that the driver has', { timeout: 300_000 }, async () => {
      const driver = await bench.driver()
      // Long enough for more than one block of Java's framing of snappy.
      const values = Array.from({ length: 400 }, (_, index) => `${index} ${'abc'.repeat(100)}`)
      for (const codec of driver.capabilities.codecs) {
        const topic = await bench.topic()
        const args = ['--bootstrap-server', kafka.brokers[0]!, '--topic', topic, '--compression-codec', codec]
        const input = `${values.join('\n')}\n`
        const { code, stderr } = await kafka.control!.tool('org.apache.kafka.tools.ConsoleProducer', args, { input })
        expect([codec, code, code === 0 ? '' : stderr]).toEqual([codec, 0, ''])
        const got = await bench.join(driver, topic)
        await got.until(() => got.records().length === values.length)
        expect(got.values()).toEqual(values)
      }
    })
  })

  describe('a broker that dies', () => {
    it('and comes back finds the driver at work again, without a new one', async () => {
      const driver = await bench.driver({ requestTimeoutMs: 5_000 })
      const topic = await bench.topic()
      await driver.send({ topic, partition: 0, records: [outgoing('before')] })
      const got = await bench.join(driver, topic)
      await got.until(() => got.records().length === 1)
      await kafka.control!.kill()
      const send = driver.send({ topic, partition: 0, records: [outgoing('into the void')] })
      await expect(send).rejects.toMatchObject({ kind: 'connection' })
      await expect(driver.topics()).rejects.toMatchObject({ kind: 'connection' })
      // By now there is no connection at all.
      const second = driver.send({ topic, partition: 0, records: [outgoing('into the void')] })
      await expect(second).rejects.toMatchObject({ kind: 'connection', written: 'no' })
      await kafka.control!.start()
      await eventually(() =>
        driver.send({ topic, partition: 0, records: [outgoing('after')] }).then(
          () => true,
          () => false,
        ),
      )
      // A consumer may outlive it, or fail once: then it is replaced.
      await eventually(() => got.failures.length > 0 || got.values().includes('after'), 60_000)
      expect(got.failures.length).toBeLessThanOrEqual(1)
      const next = got.failures.length > 0 ? await bench.join(driver, topic) : got
      await next.until(() => next.values().includes('after'))
    })
  })
}

/** Open handles of this process that keep it alive. */
function resources(): number {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|TLS/.test(kind)).length
}
