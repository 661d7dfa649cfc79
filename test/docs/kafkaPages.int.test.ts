import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Service } from '@posthorn/core'
import { Kafka, Partitioners, logLevel } from 'kafkajs'
import type { Consumer, ICustomPartitioner } from 'kafkajs'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { blocksOf, readPage, root } from './markdown.js'

/* The programs of the pages about Kafka as they stand, on a broker. Only their topics have other names: it is shared. */
const brokers = (process.env['POSTHORN_KAFKA_BROKERS'] ?? '').split(',')
const kafka = new Kafka({ clientId: 'docs', brokers, logLevel: logLevel.NOTHING })
const topic = `docs-${randomUUID().slice(0, 12)}`
const ends: (() => Promise<unknown>)[] = []
let folder = ''

beforeAll(() => {
  mkdirSync(join(root, '.posthorn'), { recursive: true })
  folder = mkdtempSync(join(root, '.posthorn', 'kafka-pages-'))
  const contracts = readFileSync(new URL('support/contracts.ts', import.meta.url), 'utf8')
  writeFileSync(join(folder, 'contracts.ts'), renamed(contracts))
  vi.stubEnv('LOG_LEVEL', 'silent')
  vi.stubEnv('KAFKAJS_NO_PARTITIONER_WARNING', '1')
})

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
})

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  vi.unstubAllEnvs()
  const admin = kafka.admin()
  await admin.connect()
  const topics = (await admin.listTopics()).filter((name) => name.startsWith(topic))
  if (topics.length > 0) await admin.deleteTopics({ topics })
  await admin.disconnect()
})

/** A block of a page, as the module that it is. */
async function program<Exports>(page: string, file: string): Promise<Exports> {
  const block = blocksOf(readPage(page)).find((one) => one.file === file)
  if (block === undefined) throw new Error(`${page} has no ${file}`)
  writeFileSync(join(folder, file), renamed(block.code))
  return (await import(/* @vite-ignore */ join(folder, file))) as Exports
}

function renamed(code: string): string {
  return code
    .replaceAll("'orders'", `'${topic}'`)
    .replaceAll("'orders.billing'", `'${topic}.billing'`)
    .replaceAll("'billing-service'", `'${topic}-billing-service'`)
}

interface Order {
  readonly orderId: string
}

interface Before {
  publishOrder(client: Kafka, order: Order): Promise<void>
  startBilling(client: Kafka, charge: (order: Order) => Promise<void>): Promise<Consumer>
}

interface After {
  createBilling(addresses: readonly string[], charge: (order: Order) => Promise<void>): Service
}

const page = 'docs/how-to/move-from-kafkajs.md'
const ids = (prefix: string): string[] => Array.from({ length: 8 }, (_, index) => `${prefix}-${index}`)

test('the move from kafkajs: a service goes on where the old group stood, and readers with kafkajs read it', async () => {
  const { publishOrder, startBilling } = await program<Before>(page, 'before.ts')
  const { copyOffsets } = await program<{
    copyOffsets(client: Kafka, topic: string, from: string, to: string): Promise<void>
  }>(page, 'copyOffsets.ts')
  const { createBilling } = await program<After>(page, 'after.ts')
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }], waitForLeaders: true })
  await admin.disconnect()

  const old: string[] = []
  const consumer = await startBilling(kafka, async ({ orderId }) => void old.push(orderId))
  for (const orderId of ids('first')) await publishOrder(kafka, { orderId })
  await expect.poll(() => old.toSorted(), { timeout: 60_000 }).toEqual(ids('first'))
  await consumer.disconnect()

  for (const orderId of ids('second')) await publishOrder(kafka, { orderId })
  const charged: string[] = []
  const service = createBilling(brokers, async ({ orderId }) => void charged.push(orderId))
  ends.push(() => service.stop())
  await service.start({ deadlineMs: 60_000 })
  await expect.poll(() => charged.toSorted(), { timeout: 60_000 }).toEqual(ids('second'))

  const { orderPlaced } = (await import(join(folder, 'contracts.ts'))) as typeof import('./support/contracts.js')
  // Side by side in one group: each message comes to one of the two, whoever published it.
  const again = await startBilling(kafka, async ({ orderId }) => void old.push(orderId))
  await expect.poll(() => membersOf(`${topic}-billing-service`), { timeout: 60_000 }).toBe(2)
  for (const orderId of ids('third')) await service.publish(orderPlaced, { orderId })
  for (const orderId of ids('fourth')) await publishOrder(kafka, { orderId })
  const both = [...ids('first'), ...ids('fourth'), ...ids('second'), ...ids('third')]
  await expect.poll(() => [...new Set([...old, ...charged])].toSorted(), { timeout: 60_000 }).toEqual(both.toSorted())
  await again.disconnect()

  // A group of another name gets the offsets.
  await service.stop()
  await copyOffsets(kafka, topic, `${topic}-billing-service`, `${topic}.billing`)
  expect(await offsetsOf(`${topic}.billing`)).toEqual(await offsetsOf(`${topic}-billing-service`))
})

async function membersOf(groupId: string): Promise<number> {
  const admin = kafka.admin()
  await admin.connect()
  const { groups } = await admin.describeGroups([groupId])
  await admin.disconnect()
  return groups[0]?.members.length ?? 0
}

async function offsetsOf(groupId: string): Promise<ReadonlyMap<number, string>> {
  const admin = kafka.admin()
  await admin.connect()
  const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
  await admin.disconnect()
  return new Map(found?.partitions.map(({ partition, offset }) => [partition, offset]))
}

test('a key has the partition that kafkajs 2 gives it, and another one than kafkajs 1', async () => {
  const { createBilling } = await program<After>(page, 'after.ts')
  const { orderPlaced } = (await import(join(folder, 'contracts.ts'))) as typeof import('./support/contracts.js')
  const keys = Array.from({ length: 20 }, (_, index) => `key-${index}-ü`)
  const service = createBilling(brokers, async () => {})
  ends.push(() => service.stop())
  await service.start({ deadlineMs: 60_000 })
  for (const orderId of keys) await service.publish(orderPlaced, { orderId })
  await sendWith(Partitioners.DefaultPartitioner, keys, 'kafkajs 2')
  await sendWith(Partitioners.LegacyPartitioner, keys, 'kafkajs 1')

  const found = new Map<string, Map<string, number>>()
  const reader = kafka.consumer({ groupId: `${topic}-partitions` })
  ends.push(() => reader.disconnect())
  await reader.connect()
  await reader.subscribe({ topic, fromBeginning: true })
  await reader.run({
    eachMessage: async ({ partition, message: { key, value } }) => {
      const text = String(value)
      const writer = text.startsWith('{') ? 'ours' : text
      const partitions = found.get(writer) ?? new Map<string, number>()
      found.set(writer, partitions)
      if (keys.includes(String(key))) partitions.set(String(key), partition)
    },
  })
  const sizes = (): (number | undefined)[] => ['ours', 'kafkajs 2', 'kafkajs 1'].map((name) => found.get(name)?.size)
  await expect.poll(sizes, { timeout: 60_000 }).toEqual([keys.length, keys.length, keys.length])
  expect(found.get('ours')).toEqual(found.get('kafkajs 2'))
  expect(found.get('ours')).not.toEqual(found.get('kafkajs 1'))
})

async function sendWith(createPartitioner: ICustomPartitioner, keys: readonly string[], value: string): Promise<void> {
  const producer = kafka.producer({ createPartitioner })
  await producer.connect()
  await producer.send({ topic, messages: keys.map((key) => ({ key, value })) })
  await producer.disconnect()
}
