import { createRequire } from 'node:module'
import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { afterEach, expect, it } from 'vitest'
import { createKafka } from '../src/index.js'
import { brokersFromEnvironment, createBench, eventually, uniqueName } from './support/broker.js'

const bench = createBench(brokersFromEnvironment)
const services: Service[] = []
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop({ deadlineMs: 2_000 })))
  await bench.close()
})

/** As far as it is used here. */
type Runner = new (options: object) => { start(): Promise<void>; stop(): Promise<void> }
type Batch = new (topic: string, offset: string, data: object) => object

const require = createRequire(import.meta.url)
const KafkajsRunner = require('kafkajs/src/consumer/runner') as Runner
const KafkajsBatch = require('kafkajs/src/consumer/batch') as Batch

/** What code in handlers does when it has bugs. */
const faults: Readonly<Record<string, () => Promise<void>>> = {
  error: () => Promise.reject(new Error('the database is down')),
  typeError: async () => void (undefined as unknown as { x: { y: number } }).x.y,
  undefined: () => Promise.reject(undefined as unknown as Error),
  text: () => Promise.reject('a text' as unknown as Error),
}

/** What the client alone does with it: its own runner, on a group that has one message for ever. */
async function plain(fault: () => Promise<void>): Promise<{ calls: number; restarts: boolean }> {
  let calls = 0
  const data = { partition: 0, highWatermark: '1', messages: [{ offset: '0', value: Buffer.from('x') }] }
  const nothing = (): void => {}
  const log: object = { debug: nothing, info: nothing, warn: nothing, error: nothing, namespace: () => log }
  const consumerGroup = {
    connect: nothing,
    joinAndSync: nothing,
    leave: nothing,
    heartbeat: nothing,
    getNodeIds: () => [1],
    hasSeekOffset: () => false,
    isPaused: () => false,
    resolveOffset: nothing,
    commitOffsets: nothing,
    commitOffsetsIfNecessary: nothing,
    fetch: async () => [new KafkajsBatch('orders', '0', { ...data, abortedTransactions: [] })],
  }
  const error = await new Promise<{ name: string; cause?: { retriable?: boolean } }>((resolve) => {
    const runner = new KafkajsRunner({
      logger: log,
      consumerGroup,
      instrumentationEmitter: { emit: nothing },
      concurrency: 1,
      heartbeatInterval: 1,
      retry: { retries: 2, initialRetryTime: 1 },
      autoCommit: true,
      onCrash: resolve,
      async eachMessage() {
        calls += 1
        await fault()
      },
    })
    void runner.start()
  })
  return { calls, restarts: error.name === 'KafkaJSNumberOfRetriesExceeded' || error.cause?.retriable === true }
}

it('a bug in a handler ends a plain kafkajs consumer for good', async () => {
  expect(await plain(faults['error']!)).toEqual({ calls: 3, restarts: true })
  expect(await plain(faults['text']!)).toEqual({ calls: 3, restarts: true })
  expect(await plain(faults['typeError']!)).toEqual({ calls: 1, restarts: false })
  expect(await plain(faults['undefined']!)).toEqual({ calls: 1, restarts: false })
})

it('a bug in a handler costs us its message alone, which is retried and then put aside', async () => {
  const orders = uniqueName('orders')
  const contract = defineEvent({
    type: 'com.example.fault.v1',
    destination: orders,
    schema: { type: 'object', required: ['kind'], properties: { kind: { type: 'string' } } },
  })
  const transport = createKafka({ brokers: brokersFromEnvironment(), partitions: 1 })
  const service = createService({ source: '/test', transport, logger: silentLogger })
  services.push(service)
  const calls: string[] = []
  const dead: string[] = []
  const hung: AbortSignal[] = []
  service.consume('billing', {
    retry: { delaysMs: [0, 0] },
    handlers: [
      on(contract, async ({ data }, { signal }) => {
        calls.push(data.kind)
        if (data.kind === 'hangs') {
          hung.push(signal)
          await new Promise(() => {})
        }
        await faults[data.kind]?.()
      }),
    ],
  })
  service.readDeadLetters({ destination: orders, group: 'billing' }, ({ envelope, reason }) => {
    dead.push(`${envelope!.id} ${reason}`)
  })
  await service.start()
  // A good one after each bad one, all in one partition.
  const kinds = ['hangs', 'good', ...Object.keys(faults).flatMap((kind) => [kind, 'good'])]
  for (const kind of kinds) await service.publish(contract, { kind }, { id: `m-${kind}` })
  await eventually(
    async () => dead.length,
    (count) => count === 4,
  )
  expect(dead.toSorted()).toEqual(
    Object.keys(faults)
      .map((kind) => `m-${kind} retriesExhausted`)
      .toSorted(),
  )
  await eventually(
    async () => calls.filter((kind) => kind === 'good').length,
    (count) => count === 5,
  )
  for (const kind of Object.keys(faults)) expect(calls.filter((call) => call === kind)).toHaveLength(3)
  const before = performance.now()
  await service.stop({ deadlineMs: 1_000 })
  expect(performance.now() - before).toBeLessThan(20_000)
  expect(hung[0]!.aborted).toBe(true)
  // Nobody has handled it: whoever comes next gets it, and all after it.
  const admin = await bench.admin()
  const [topic] = await admin.fetchOffsets({ groupId: `${orders}.billing`, topics: [orders] })
  expect(topic!.partitions[0]!.offset).toBe('0')
})
