import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { Logger } from '@posthorn/core/adapter'
import { systemClock } from '@posthorn/core/adapter'
import kafkajs from 'kafkajs'
import type { Admin } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { createKafka, formatPlan } from '../src/index.js'
import {
  brokersFromEnvironment,
  collect,
  eventually,
  inMs,
  send,
  subscriptionTo,
  uniqueName,
  wireMessage,
} from './support/broker.js'
import { sharedKafka } from './support/testKafka.js'

const bench = sharedKafka()

const errorOf = (work: Promise<unknown>): Promise<Error & { details: Record<string, unknown> }> =>
  work.then(
    () => expect.unreachable('it should have failed'),
    (error: Error & { details: Record<string, unknown> }) => error,
  )

async function configsOf(admin: Admin, topic: string): Promise<Record<string, string>> {
  const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }]
  const answer = await admin.describeConfigs({ resources, includeSynonyms: false })
  const entries = answer.resources[0]?.configEntries ?? []
  return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]))
}

async function create(topic: string, configs: Record<string, string> = {}, partitions = 2): Promise<Admin> {
  const admin = await bench.admin()
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] })
  return admin
}

describe('the topology of a service on Kafka', () => {
  it('is planned, applied and verified beside it, before it starts', async () => {
    const orders = uniqueName('orders')
    const placed = defineEvent({ type: 'placed.v1', destination: orders, schema: { type: 'object' } })
    const transport = createKafka({ brokers: brokersFromEnvironment(), partitions: 3 })
    const service = createService({ source: '/test', transport, publishes: [placed], logger: silentLogger })
    service.consume('billing', { handlers: () => [on(placed, () => {})], retry: { delaysMs: [300] } })
    const declaration = service.declaration()
    const plan = transport.topology.plan(declaration)
    expect(plan.warnings).toEqual([])
    expect(formatPlan(plan)).toContain(`topic     ${orders} (3 partitions, copies: default)`)
    const missing = await errorOf(transport.topology.verify(declaration))
    expect(missing).toMatchObject({ code: 'POSTHORN_TOPOLOGY_MISMATCH' })
    expect(missing.details['problems']).toHaveLength(4)
    await transport.topology.apply(declaration)
    await transport.topology.verify(declaration)
    const admin = await bench.admin()
    const retention = async (name: string) => (await configsOf(admin, `${orders}.billing.${name}`))['retention.ms']
    expect(await retention('retry.300')).toBe('604800300')
    expect(await retention('dead')).toBe('-1')
  })

  it('that asks for other partitions, copies or settings than there are is told what is expected', async () => {
    const orders = uniqueName('orders')
    await create(orders, { 'retention.ms': '60000' }, 2)
    const destinations = { [orders]: { partitions: 4, replicationFactor: 3, configs: { 'retention.ms': 120_000 } } }
    const transport = createKafka({ brokers: brokersFromEnvironment(), topology: { destinations } })
    const error = await errorOf(transport.topology.verify({ publishes: [orders], subscriptions: [] }))
    expect(error).toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISMATCH',
      details: {
        topic: orders,
        differences: [
          { setting: 'retention.ms', expected: '120000', actual: '60000' },
          { setting: 'partitions', expected: '4', actual: '2' },
          { setting: 'replication factor', expected: '3', actual: '1' },
        ],
      },
    })
    expect(error.message).toContain('partitions is 2, expected 4')
  })

  it.each([
    ['whose retries would vanish before they are due', 'retry.90000', { 'retention.ms': '90000' }, 'retention.ms'],
    ['whose retries replace each other', 'retry.90000', { 'cleanup.policy': 'compact' }, 'cleanup.policy'],
    ['whose dead letters replace each other', 'dead', { 'cleanup.policy': 'compact,delete' }, 'cleanup.policy'],
  ])('%s is refused, and not changed', async (_what, name, configs: Record<string, string>, setting) => {
    const orders = uniqueName('orders')
    const admin = await create(`${orders}.billing.${name}`, configs)
    const transport = await bench.connect()
    const error = await errorOf(collect(transport, { subscription: subscriptionTo(orders, { rungsMs: [90_000] }) }))
    expect(error).toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISMATCH',
      details: { topic: `${orders}.billing.${name}`, differences: [{ setting, actual: configs[setting] }] },
    })
    expect((await configsOf(admin, `${orders}.billing.${name}`))[setting]).toBe(configs[setting])
  })

  it('that gives guarantees up is warned of, once', async () => {
    const orders = uniqueName('orders')
    await create(orders, { 'cleanup.policy': 'compact', 'max.message.bytes': '50000' })
    const warnings: string[] = []
    const logger: Logger = {
      ...silentLogger,
      warn: (_facts, text) => void warnings.push(text),
      child: () => logger,
    }
    const transport = createKafka({ brokers: brokersFromEnvironment() })
    const context = { logger, clock: systemClock }
    await transport.connect(context, [orders], { deadline: inMs(20_000) })
    await transport.connect(context, [orders], { deadline: inMs(20_000) })
    await transport.close(inMs(5_000))
    for (const part of ['compacted', 'maxBodyBytes', 'min.insync.replicas']) {
      expect(warnings.filter((text) => text.includes(part) && text.includes(orders))).toHaveLength(1)
    }
  })

  it('follows a destination that is there: its partitions, its size', async () => {
    const orders = uniqueName('orders')
    const admin = await create(orders, { 'max.message.bytes': '3000000', 'min.insync.replicas': '1' }, 5)
    const transport = await bench.connect()
    await collect(transport, { subscription: subscriptionTo(orders, { rungsMs: [1_000] }) })
    const names = ['retry.1000', 'dead'].map((name) => `${orders}.billing.${name}`)
    const { topics } = await admin.fetchTopicMetadata({ topics: names })
    expect(topics.map(({ partitions }) => partitions.length)).toEqual([5, 5])
    for (const name of names)
      expect(Number((await configsOf(admin, name))['max.message.bytes'])).toBeGreaterThan(3_100_000)
  })
})

describe('names that exist already', () => {
  it('stand for a destination, a group and its dead letters', async () => {
    const orders = uniqueName('orders')
    const [topic, dead] = [`${orders}-legacy`, `${orders}-errors`]
    const admin = await create(topic, {}, 1)
    const topology = {
      destinations: { [orders]: { topic } },
      groups: { [`${orders}.billing`]: { groupId: `${orders}-old`, deadTopic: dead } },
    }
    // The group stands where another client has left it.
    const before = await bench.connect()
    for (const id of ['m-0', 'm-1', 'm-2']) await send(before, topic, wireMessage({ id }))
    await admin.setOffsets({ groupId: `${orders}-old`, topic, partitions: [{ partition: 0, offset: '2' }] })
    const transport = await bench.connect({ topology }, [orders])
    const subscription = subscriptionTo(orders, { rungsMs: [200] })
    const collected = await collect(transport, { subscription })
    await send(transport, orders, wireMessage({ id: 'm-3' }))
    await collected.until(({ texts }) => texts.length === 2)
    expect(collected.texts).toEqual(['m-2', 'm-3'])
    const letters = await collect(transport, { subscription: { ...subscription, source: 'dead' } })
    await send(transport, { dead: { destination: orders, group: 'billing' } }, wireMessage({ id: 'm-4' }))
    await letters.until(({ texts }) => texts.includes('m-4'))
    expect(letters.deliveries[0]?.address).toContain(dead)
    expect(await admin.listTopics()).not.toContain(orders)
  })

  it('are only looked for when they are not ours', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ topology: { destinations: { [orders]: { topic: `${orders}-legacy` } } } })
    await expect(collect(transport, { subscription: subscriptionTo(orders) })).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISSING',
    })
  })
})

describe('rungs of earlier releases', () => {
  it('are deleted when they are read to their end and nobody consumes, and stay otherwise', async () => {
    const orders = uniqueName('orders')
    const group = { destination: orders, group: 'billing' }
    const former = await bench.connect()
    const collected = await collect(former, { subscription: subscriptionTo(orders, { rungsMs: [100, 600_000] }) })
    await send(former, { retry: { ...group, delayMs: 100 } }, wireMessage({ id: 'm-1' }))
    await send(former, { retry: { ...group, delayMs: 600_000 } }, wireMessage({ id: 'm-2' }))
    await collected.until(({ texts }) => texts.includes('m-1'))
    const declaration = { publishes: [], subscriptions: [subscriptionTo(orders, { rungsMs: [300] })] }
    const [empty, full] = [`${orders}.billing.retry.100`, `${orders}.billing.retry.600000`]
    const { topology } = former
    const running = await eventually(
      () => topology.prune(declaration),
      ({ kept }) => kept.some(({ item }) => item.name === empty && item.messageCount === 0),
    )
    expect(running.removed).toEqual([])
    expect(running.kept.map(({ item }) => item.name)).toEqual([empty, full])
    await former.close(inMs(10_000))
    expect((await topology.prune(declaration, { dryRun: true })).removed).toEqual([])
    const stopped = await topology.prune(declaration)
    expect(stopped.removed).toEqual([{ kind: 'topic', name: empty, messageCount: 0 }])
    expect(stopped.kept).toMatchObject([{ item: { name: full, messageCount: 1 } }])
    const admin = await bench.admin()
    await eventually(
      () => admin.listTopics(),
      (topics) => !topics.includes(empty) && topics.includes(full) && topics.includes(`${orders}.billing.retry.0`),
    )
  })
})
