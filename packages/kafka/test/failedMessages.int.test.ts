import { createService, defineEvent, NonRetryableError, on, silentLogger } from '@posthorn/core'
import type { ConsumerOptions, DeadLetter, EventContract, Logger, Service } from '@posthorn/core'
import kafkajs from 'kafkajs'
import type { Admin } from 'kafkajs'
import { afterEach, describe, expect, it } from 'vitest'
import { createKafka } from '../src/index.js'
import type { KafkaOptions } from '../src/index.js'
import { brokersFromEnvironment, createBench, eventually, inMs, uniqueName } from './support/broker.js'
import { childContract, startConsumer } from './support/consumerProcess.js'
import type { ConsumerProcess } from './support/consumerProcess.js'

const bench = createBench(brokersFromEnvironment)
const services: Service[] = []
const processes: ConsumerProcess[] = []

afterEach(async () => {
  for (const { child } of processes.splice(0)) child.kill('SIGKILL')
  await Promise.all(services.splice(0).map((service) => service.stop()))
  await bench.close()
})

interface Order {
  readonly orderId: string
  readonly customer: string
  readonly filler?: string
}

type Placed = EventContract<Order>

const contractOf = (): Placed =>
  defineEvent.typed<Order>()({
    type: 'com.example.placed.v1',
    destination: uniqueName('failed'),
    schema: { type: 'object', required: ['orderId', 'customer'] },
    partitionKey: ({ customer }) => customer,
  })

interface Running {
  readonly service: Service
  readonly deadLetters: DeadLetter[]
  readonly events: string[]
}

async function running(
  contract: Placed,
  consumer: ConsumerOptions,
  options: Partial<KafkaOptions> = {},
): Promise<Running> {
  const events: string[] = []
  const record = ((facts: { event?: string }) => void events.push(facts.event ?? '')) as Logger['error']
  const logger: Logger = { ...silentLogger, warn: record, error: record, child: () => logger }
  const transport = createKafka({ brokers: brokersFromEnvironment(), partitions: 1, ...options })
  const service = createService({ source: '/test', transport, publishes: [contract], logger })
  services.push(service)
  const deadLetters: DeadLetter[] = []
  service.consume('billing', consumer)
  service.readDeadLetters({ destination: contract.destination, group: 'billing' }, (one) => void deadLetters.push(one))
  await service.start()
  return { service, deadLetters, events }
}

/** Where the group stands in the only partition; -1 before its first commit. */
async function committed(admin: Admin, destination: string): Promise<number> {
  const [found] = await admin.fetchOffsets({ groupId: `${destination}.billing`, topics: [destination] })
  return Number(found?.partitions[0]?.offset ?? -1)
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1)

async function alter(admin: Admin, topic: string, configs: Record<string, string>): Promise<void> {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }]
  await admin.alterConfigs({ validateOnly: false, resources })
}

describe('a dead letter that its topic does not take', () => {
  const create = (admin: Admin, topic: string) => admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
  it.each([
    [
      'since it has become too large',
      (admin: Admin, dead: string) => alter(admin, dead, { 'max.message.bytes': '3000' }),
      (admin: Admin, dead: string) => alter(admin, dead, { 'max.message.bytes': '100000' }),
    ],
    [
      'since it was deleted',
      async (admin: Admin, dead: string) => {
        await admin.deleteTopics({ topics: [dead] })
        await eventually(
          () => admin.listTopics(),
          (topics) => !topics.includes(dead),
        )
      },
      create,
    ],
  ])('%s stays the original, and neighbours flow on', { timeout: 120_000 }, async (_why, refuse, accept) => {
    const contract = contractOf()
    const { destination } = contract
    const dead = `${destination}.billing.dead`
    const admin = await bench.admin()
    for (const topic of [destination, `${destination}.billing.retry.0`, dead]) await create(admin, topic)
    const handled: string[] = []
    const failing = on(contract, ({ data }) => {
      if (data.orderId === 'bad') throw new NonRetryableError('never works')
      handled.push(data.orderId)
    })
    const { service, deadLetters, events } = await running(
      contract,
      { handlers: [failing], retry: { delaysMs: [] } },
      { topology: 'verify' },
    )
    await service.publish(contract, { orderId: 'before', customer: 'a' })
    await eventually(
      () => committed(admin, destination),
      (offset) => offset === 1,
    )
    await refuse(admin, dead)
    const filler = 'x'.repeat(3_500)
    const { id } = await service.publish(contract, { orderId: 'bad', customer: 'b', filler })
    await service.publish(contract, { orderId: 'after', customer: 'c' })
    await eventually(
      () => Promise.resolve(events),
      (told) => told.includes('settle.stuck') && handled.length === 2,
    )
    expect(handled).toEqual(['before', 'after'])
    // Longer than a commit takes.
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(await committed(admin, destination)).toBe(1)
    await accept(admin, dead)
    await eventually(
      () => committed(admin, destination),
      (offset) => offset === 3,
    )
    await eventually(
      () => Promise.resolve(deadLetters),
      (letters) => letters.length > 0,
    )
    expect(deadLetters[0]).toMatchObject({ envelope: { id, data: { orderId: 'bad', filler } } })
  })
})

describe('a message as large as its topics take', () => {
  it('is dead-lettered, without its longest header, which the log says', { timeout: 120_000 }, async () => {
    const contract = contractOf()
    const { destination } = contract
    const admin = await bench.admin()
    const topics = [destination, `${destination}.billing.retry.0`, `${destination}.billing.dead`]
    const configEntries = [{ name: 'max.message.bytes', value: '20000' }]
    await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1, configEntries })) })
    const failing = on(contract, () => {
      throw new NonRetryableError('never works')
    })
    const consumer = { handlers: [failing], retry: { delaysMs: [] } }
    const { deadLetters, events } = await running(contract, consumer, { topology: 'verify' })
    const data = { orderId: 'o-1', customer: 'a', filler: 'x'.repeat(14_000) }
    const envelope = { specversion: '1.0', id: 'm', source: '/test', type: contract.type, data }
    const headers = { 'content-type': 'application/cloudevents+json', tenant: 'acme', big: 'b'.repeat(5_500) }
    const producer = new kafkajs.Kafka({ brokers: brokersFromEnvironment() }).producer()
    await producer.connect()
    await producer.send({ topic: destination, messages: [{ value: JSON.stringify(envelope), headers }] })
    await producer.disconnect()
    await eventually(
      () => Promise.resolve(deadLetters),
      (letters) => letters.length > 0,
    )
    expect(deadLetters[0]).toMatchObject({ envelope: { data }, headers: { tenant: 'acme' }, reason: 'nonRetryable' })
    expect(deadLetters[0]?.headers).not.toHaveProperty('big')
    expect(events).toContain('settle.headersLeftOut')
    expect(events).not.toContain('settle.stuck')
  })
})

describe.each(['kafkajs', 'platformatic'] as const)('a key of a foreign producer that is no UTF-8, on %s', (driver) => {
  /** Keys of records with their partitions, by topic, each once; when there are as many records. */
  async function keysOf(counts: Readonly<Record<string, number>>): Promise<Record<string, string[]>> {
    const topics = Object.keys(counts)
    const kafka = new kafkajs.Kafka({ brokers: brokersFromEnvironment(), logLevel: kafkajs.logLevel.NOTHING })
    const consumer = kafka.consumer({ groupId: uniqueName('reader') })
    const found = Object.fromEntries(topics.map((topic) => [topic, [] as string[]]))
    await consumer.connect()
    await consumer.subscribe({ topics, fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ topic, message, partition }) =>
        void found[topic]!.push(`${message.key?.toString('hex')}@${partition}`),
    })
    await eventually(
      () => Promise.resolve(found),
      () => topics.every((topic) => found[topic]!.length >= counts[topic]!),
    )
    await consumer.disconnect()
    return Object.fromEntries(topics.map((topic) => [topic, [...new Set(found[topic])].toSorted(byText)]))
  }

  it('is on retries, dead letters and replays as it was, in the same partition', { timeout: 120_000 }, async () => {
    const contract = contractOf()
    const { destination } = contract
    const failing = on(contract, () => {
      throw new Error('never works')
    })
    const consumer = { handlers: [failing], retry: { delaysMs: [1_000] } }
    const { deadLetters } = await running(contract, consumer, { driver, partitions: 6 })
    const kafka = new kafkajs.Kafka({ brokers: brokersFromEnvironment(), logLevel: kafkajs.logLevel.NOTHING })
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await producer.connect()
    const uuid = Buffer.from('f81d4fae7dec11d0a76500a0c91e6bf6', 'hex')
    const longs = [143, 144, 255, 70_000].map((value) => {
      const long = Buffer.alloc(8)
      long.writeBigInt64BE(BigInt(value))
      return long
    })
    const messages = [uuid, ...longs].map((key, index) => ({
      key,
      value: JSON.stringify({
        specversion: '1.0',
        id: `m-${index}`,
        source: '/java',
        type: contract.type,
        data: { orderId: `o-${index}`, customer: 'c' },
      }),
      headers: { 'content-type': 'application/cloudevents+json' },
    }))
    await producer.send({ topic: destination, messages })
    await producer.disconnect()
    await eventually(
      () => Promise.resolve(deadLetters),
      ({ length }) => length === 5,
    )
    const replaying = await bench.connect({ driver, partitions: 6 })
    const replay = { group: { destination, group: 'billing' } }
    for (const [index, { body, contentType, headers, partitionKey = '' }] of deadLetters.slice(0, 5).entries()) {
      const message = { id: `again-${index}`, type: contract.type, body, contentType, headers, partitionKey }
      await replaying.send(replay, message, { deadline: inMs(60_000) })
    }
    const group = `${destination}.billing`
    const counts = { [`${group}.retry.1000`]: 5, [`${group}.dead`]: 10, [`${group}.retry.0`]: 5 }
    const { [destination]: original, ...copies } = await keysOf({ [destination]: 5, ...counts })
    expect(original).toHaveLength(5)
    for (const topic of Object.keys(counts)) expect(copies[topic], topic).toEqual(original)
  })
})

describe('a process that is killed', () => {
  it(
    'between a dead letter and the commit loses nothing, and repeats the dead letter',
    { timeout: 120_000 },
    async () => {
      const contract = childContract(uniqueName('killed'))
      const { destination } = contract
      const transport = createKafka({ brokers: brokersFromEnvironment(), partitions: 1 })
      const service = createService({ source: '/test', transport, publishes: [contract], logger: silentLogger })
      services.push(service)
      const ids: (string | undefined)[] = []
      service.readDeadLetters({ destination, group: 'billing' }, ({ envelope }) => void ids.push(envelope?.id))
      await service.start()
      await service.publish(contract, { kind: 'bad' }, { id: 'm-0' })
      await service.publish(contract, { kind: 'good' }, { id: 'm-1' })
      // The good one is under way for long, so that nothing hurries the commit, which is due in a minute.
      const order = { brokers: brokersFromEnvironment(), destination }
      const first = startConsumer({ ...order, handleMs: 60_000, kafka: { commitIntervalMs: 60_000 } })
      processes.push(first)
      await eventually(
        () => Promise.resolve(ids),
        (found) => found.length === 1,
      )
      first.child.kill('SIGKILL')
      await first.ended
      const admin = await bench.admin()
      expect(await committed(admin, destination)).toBeLessThanOrEqual(0)
      const second = startConsumer(order)
      processes.push(second)
      await second.until(() => second.ids.handled.includes('m-1'))
      await eventually(
        () => committed(admin, destination),
        (offset) => offset === 2,
      )
      await eventually(
        () => Promise.resolve(ids),
        (found) => found.length === 2,
      )
      expect(ids).toEqual(['m-0', 'm-0'])
    },
  )
})

describe('a held key', () => {
  it('holds up nobody else of its partition, and no offset passes it', { timeout: 120_000 }, async () => {
    const contract = contractOf()
    const { destination } = contract
    const handled: string[] = []
    let mayPass = false
    const slow = on(contract, ({ data }) => {
      if (data.orderId === 'a-0' && !mayPass) throw new Error('not yet')
      handled.push(data.orderId)
    })
    const { service } = await running(
      contract,
      {
        handlers: [slow],
        order: { by: 'partitionKey', onRetry: 'holdKey' },
        retry: { delaysMs: Array.from({ length: 100 }, () => 300) },
      },
      { maxUncommittedCount: 20 },
    )
    await service.publish(contract, { orderId: 'a-0', customer: 'a' })
    await service.publish(contract, { orderId: 'a-1', customer: 'a' })
    for (let at = 0; at < 40; at += 1) await service.publish(contract, { orderId: `b-${at}`, customer: 'b' })
    // Two of the held key, and others up to the bound behind the first one.
    await eventually(
      () => Promise.resolve(handled),
      (found) => found.length >= 18,
    )
    const admin = await bench.admin()
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(handled).toEqual(Array.from({ length: 18 }, (_, at) => `b-${at}`))
    expect(await committed(admin, destination)).toBeLessThanOrEqual(0)
    mayPass = true
    await eventually(
      () => committed(admin, destination),
      (offset) => offset === 42,
    )
    expect(handled).toHaveLength(42)
    expect(handled.filter((id) => id.startsWith('a'))).toEqual(['a-0', 'a-1'])
    expect(handled.filter((id) => id.startsWith('b'))).toEqual(Array.from({ length: 40 }, (_, at) => `b-${at}`))
  })
})
