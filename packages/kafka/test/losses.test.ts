import type { Transport } from '@posthorn/core/adapter'
import kafkajs from 'kafkajs'
import type { Message, Producer, ProducerConfig } from 'kafkajs'
import { afterEach, describe, expect, it } from 'vitest'
import { createKafka } from '../src/kafka.js'
import type { KafkaOptions } from '../src/options.js'
import { context, inMs, wireMessage } from './support/broker.js'
import { createFakeCluster } from './support/fakeCluster.js'
import type { FakeCluster } from './support/fakeCluster.js'

/*
 * How kafkajs loses messages by itself, each time beside what becomes of the same faults with us. That it does lose them is
 * checked too: a test whose fault does nothing would prove nothing.
 */

const topic = 'orders'
const ending: (() => Promise<unknown> | void)[] = []

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function fakeCluster(brokers: number, partitions: number): Promise<FakeCluster> {
  const cluster = await createFakeCluster(topic, { brokers, partitions })
  ending.push(() => cluster.close())
  return cluster
}

/** A producer as the guide of kafkajs makes it, with short waits. */
async function plainProducer(cluster: FakeCluster, config: ProducerConfig = {}): Promise<Producer> {
  const retry = { initialRetryTime: 10, maxRetryTime: 50, retries: 5 }
  const client = new kafkajs.Kafka({ brokers: [...cluster.brokers], retry, logLevel: kafkajs.logLevel.NOTHING })
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, ...config })
  await producer.connect()
  ending.push(() => producer.disconnect())
  return producer
}

async function ours(cluster: FakeCluster, options: Partial<KafkaOptions> = {}): Promise<Transport> {
  const transport = createKafka({ brokers: cluster.brokers, topology: 'verify', ...options })
  ending.push(() => transport.close(inMs(1_000)))
  await transport.connect(context, [topic], { deadline: inMs(20_000) })
  return transport
}

/** The texts that were confirmed. */
async function sendAll(transport: Transport, texts: readonly string[], keyed: boolean): Promise<string[]> {
  const confirmed: string[] = []
  await Promise.all(
    texts.map(async (text) => {
      const message = wireMessage({ id: text, ...(keyed ? { partitionKey: `k-${text}` } : {}) })
      await transport.send({ destination: topic }, message, { deadline: inMs(20_000) })
      confirmed.push(text)
    }),
  )
  return confirmed
}

const texts: readonly string[] = Array.from({ length: 40 }, (_, index) => `m-${index}`)
const lost = (cluster: FakeCluster, confirmed: readonly string[]): string[] =>
  confirmed.filter((text) => !cluster.written().includes(text))
const bothPaths = [{ fastPath: true }, { fastPath: false }]

/** Broker 1 dies with the first request that it gets, once broker 0 has written its own; broker 0 leads everything then. */
function failOver(cluster: FakeCluster): void {
  let wroteOther = (): void => {}
  const other = new Promise<void>((resolve) => (wroteOther = resolve))
  cluster.onProduce = async ({ broker }) => {
    if (broker === 0) {
      setTimeout(wroteOther, 20)
      return 'write'
    }
    await other
    cluster.leaders.fill(0)
    cluster.kill(1)
    return 'loseRequest'
  }
}

describe('a leader that dies while messages go to two brokers', () => {
  it('makes kafkajs confirm messages that nobody has', async () => {
    const cluster = await fakeCluster(2, 4)
    const producer = await plainProducer(cluster)
    failOver(cluster)
    const messages = texts.map((text): Message => ({ key: `k-${text}`, value: text }))
    await producer.send({ topic, messages })
    expect(lost(cluster, texts).length).toBeGreaterThan(0)
  })

  it.each(bothPaths)('costs us nothing: %o', async (options) => {
    const cluster = await fakeCluster(2, 4)
    const transport = await ours(cluster, options)
    failOver(cluster)
    const confirmed = await sendAll(transport, texts, true)
    expect(confirmed).toHaveLength(texts.length)
    expect(lost(cluster, confirmed)).toEqual([])
    expect(cluster.produced.some(({ broker }) => broker === 1)).toBe(true)
  })
})

/** Broker 1 refuses its first requests with an error that passes. */
function refuseOnce(cluster: FakeCluster): void {
  let refused = false
  cluster.onProduce = ({ broker }) => {
    if (broker === 0 || refused) return 'write'
    refused = true
    return { error: 6 }
  }
}

describe('an error that passes, and messages without a key', () => {
  it('make kafkajs lose some, since it distributes them anew', async () => {
    const cluster = await fakeCluster(2, 4)
    const producer = await plainProducer(cluster)
    refuseOnce(cluster)
    await producer.send({ topic, messages: texts.slice(0, 7).map((text): Message => ({ value: text })) })
    expect(lost(cluster, texts.slice(0, 7)).length).toBeGreaterThan(0)
  })

  it.each([...bothPaths, { partitioner: 'roundRobin' as const }])('cost us nothing: %o', async (options) => {
    const cluster = await fakeCluster(2, 4)
    const transport = await ours(cluster, { partitioner: 'roundRobin', ...options })
    refuseOnce(cluster)
    const confirmed = await sendAll(transport, texts, false)
    expect(lost(cluster, confirmed)).toEqual([])
    // Refused before it was written: nothing is doubled either.
    expect(cluster.written().sort()).toEqual([...texts].sort())
  })
})

describe('a leader that is none any more when its replicas have what it wrote', () => {
  const noRight = 29
  const answers = [
    ['NOT_LEADER_OR_FOLLOWER', 6],
    ['UNKNOWN_TOPIC_OR_PARTITION', 3],
    ['KAFKA_STORAGE_ERROR', 56],
  ] as const

  it.each(answers.flatMap(([name, error]) => bothPaths.map((options) => ({ name, error, ...options }))))(
    'says $name, and nobody says that the message was not sent: fastPath $fastPath',
    async ({ error, fastPath }) => {
      const cluster = await fakeCluster(1, 1)
      const transport = await ours(cluster, { fastPath })
      cluster.onProduce = () => (cluster.produced.length === 1 ? { error, isWritten: true } : { error: noRight })
      const rejected = transport.send({ destination: topic }, wireMessage({ id: 'A' }), { deadline: inMs(20_000) })
      await expect(rejected).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'unknown' })
      expect(cluster.written()).toEqual(['A'])
    },
  )
})

describe('an answer that does not name the partition', () => {
  const answerNothingOnce = (cluster: FakeCluster): void => {
    cluster.onProduce = () => (cluster.produced.length === 1 ? 'answerNothing' : 'write')
  }

  it('is a confirmation for kafkajs', async () => {
    const cluster = await fakeCluster(1, 1)
    const producer = await plainProducer(cluster)
    answerNothingOnce(cluster)
    await producer.send({ topic, messages: [{ value: 'A' }] })
    expect(lost(cluster, ['A'])).toEqual(['A'])
  })

  it.each(bothPaths)('is none for us: %o', async (options) => {
    const cluster = await fakeCluster(1, 1)
    const transport = await ours(cluster, options)
    answerNothingOnce(cluster)
    expect(await sendAll(transport, ['A'], false)).toEqual(['A'])
    expect(cluster.logs[0]).toEqual(['A'])
  })
})

/** The answers to the first requests are lost; what they brought is written. */
function loseAnswers(cluster: FakeCluster, count: number): void {
  let left = count
  cluster.onProduce = async () => {
    if (left === 0) return 'write'
    left -= 1
    await new Promise((resolve) => setTimeout(resolve, 20))
    return 'loseAnswer'
  }
}

const threeOf = (producer: Producer): ((text: string) => Promise<unknown>) => {
  return (text) => producer.send({ topic, messages: [{ key: 'k', value: text }] })
}

describe('an answer that is lost, and an idempotent producer of kafkajs', () => {
  it('confirm what was never written, when other sends are under way', async () => {
    const cluster = await fakeCluster(1, 1)
    const producer = await plainProducer(cluster, { idempotent: true })
    loseAnswers(cluster, 1)
    await Promise.all(['A', 'B', 'C'].map(threeOf(producer)))
    expect(lost(cluster, ['A', 'B', 'C'])).toHaveLength(1)
  })

  it('lose nothing when one send waits for the other', async () => {
    const cluster = await fakeCluster(1, 1)
    const producer = await plainProducer(cluster, { idempotent: true })
    loseAnswers(cluster, 1)
    for (const text of ['A', 'B', 'C']) await threeOf(producer)(text)
    expect(cluster.logs[0]).toEqual(['A', 'B', 'C'])
  })

  it('swallow the next message after one that was rejected', async () => {
    const cluster = await fakeCluster(1, 1)
    const producer = await plainProducer(cluster, { idempotent: true, retry: { retries: 1, initialRetryTime: 10 } })
    loseAnswers(cluster, 2)
    await expect(threeOf(producer)('A')).rejects.toThrow()
    for (const text of ['B', 'C']) await threeOf(producer)(text)
    expect(lost(cluster, ['B', 'C'])).toEqual(['B'])
  })
})

describe('an answer that is lost, and ours', () => {
  it.each([1, 2, 3])('double a message at most, and lose none: %i answers', async (count) => {
    const cluster = await fakeCluster(1, 1)
    const transport = await ours(cluster)
    loseAnswers(cluster, count)
    expect(await sendAll(transport, ['A', 'B', 'C'], false)).toHaveLength(3)
    expect(lost(cluster, ['A', 'B', 'C'])).toEqual([])
    // What is repeated comes before what is younger.
    expect(cluster.logs[0]!.slice(-3)).toEqual(['A', 'B', 'C'])
  })

  it('and one at a time double a message at most, in order', async () => {
    const cluster = await fakeCluster(1, 1)
    const transport = await ours(cluster)
    loseAnswers(cluster, 1)
    for (const text of ['A', 'B', 'C']) await sendAll(transport, [text], false)
    expect(cluster.logs[0]).toEqual(['A', 'A', 'B', 'C'])
  })

  it('after a message that was rejected the next ones are written', async () => {
    const cluster = await fakeCluster(1, 1)
    const transport = await ours(cluster)
    loseAnswers(cluster, 1_000)
    const message = wireMessage({ id: 'A' })
    const rejected = transport.send({ destination: topic }, message, { deadline: inMs(400) })
    await expect(rejected).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'unknown' })
    cluster.onProduce = () => 'write'
    expect(await sendAll(transport, ['B', 'C'], false)).toHaveLength(2)
    expect(cluster.logs[0]!.slice(-2).sort()).toEqual(['B', 'C'])
  })
})

describe('what brokers see of us', () => {
  it.each(bothPaths)(
    'waits for all replicas, is not idempotent or transactional, and creates no topic: %o',
    async (options) => {
      const cluster = await fakeCluster(2, 4)
      const transport = await ours(cluster, options)
      await sendAll(transport, texts, true)
      expect(cluster.produced.length).toBeGreaterThan(0)
      for (const { acks, transactionalId, batch } of cluster.produced) {
        expect({ acks, transactionalId, producerId: batch.producerId, inTransaction: batch.inTransaction }).toEqual({
          acks: -1,
          transactionalId: null,
          producerId: '-1',
          inTransaction: false,
        })
      }
      // What we encode ourselves has no sequence; kafkajs writes 0.
      const isOurs = cluster.produced.map(({ batch }) => batch.firstSequence === -1)
      expect(new Set(isOurs)).toEqual(new Set([options.fastPath]))
      expect(cluster.mayCreate.length).toBeGreaterThan(0)
      expect(new Set(cluster.mayCreate)).toEqual(new Set([false]))
      const missing = transport.send({ destination: 'oders' }, wireMessage({ id: 'm' }), { deadline: inMs(5_000) })
      await expect(missing).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_NO_DESTINATION', outcome: 'notSent' })
      expect(new Set(cluster.mayCreate)).toEqual(new Set([false]))
    },
  )
})
