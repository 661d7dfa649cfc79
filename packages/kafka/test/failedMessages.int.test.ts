import { createService, defineEvent, NonRetryableError, on, silentLogger } from '@posthorn/core'
import type { ConsumerOptions, DeadLetter, EventContract, Logger, Service } from '@posthorn/core'
import kafkajs from 'kafkajs'
import type { Admin } from 'kafkajs'
import { afterEach, describe, expect, it } from 'vitest'
import { createKafka } from '../src/index.js'
import type { KafkaOptions } from '../src/index.js'
import { brokersFromEnvironment, createBench, eventually, uniqueName } from './support/broker.js'
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
