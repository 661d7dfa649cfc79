import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import type { Admin, Consumer } from 'kafkajs'
import { groupsOf } from './kafkaAdmin.js'
import { createOffsetFacts } from './offsetFacts.js'
import type { OffsetFacts } from './offsetFacts.js'
import { directFlows, flows, markHeader } from './traffic.js'

/** Looks from outside at what the groups of a run commit, and at what their topics hold. */
export interface OffsetWatch {
  /** Begins to look; `now` is the clock of the run, in microseconds. */
  start(now: () => number): void
  /** Reads what the topics hold by now; before something of it is deleted, or offsets are set by hand. */
  checkpoint(): Promise<void>
  /** Offsets are set by hand, until `forget`. */
  ignore(topic: string): void
  /** Records and offsets of this topic begin anew. */
  forget(topic: string): void
  /** Looks for the last time, and gives everything that was seen. */
  finish(): Promise<OffsetFacts>
  /** Looks no more. Idempotent. */
  close(): Promise<void>
}

const sampleMs = 400
const readMs = 120_000
const idOfBody = /"id":"([^"]{1,255})"/

export function createOffsetWatch(brokers: readonly string[]): OffsetWatch {
  const facts = createOffsetFacts()
  let clock = { now: () => 0, epochMicros: 0 }
  let reads = 0
  let stopped = false
  let sampling: Promise<void> | undefined

  function kafka(requestTimeout: number, retries: number): Kafka {
    return new Kafka({
      clientId: 'auditor',
      brokers: [...brokers],
      logLevel: logLevel.NOTHING,
      connectionTimeout: 2_000,
      requestTimeout,
      retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries },
    })
  }

  /** A broker that is away is none of our business: what is committed then is seen later. */
  async function sampleForEver(): Promise<void> {
    while (!stopped) {
      const admin = kafka(2_000, 0).admin()
      try {
        await admin.connect()
        while (!stopped) {
          await sample(admin)
          await sleep(sampleMs)
        }
      } catch {
        await sleep(sampleMs)
      } finally {
        await admin.disconnect().catch(() => {})
      }
    }
  }

  async function sample(admin: Admin): Promise<void> {
    for (const [groupId, topic] of groupsOf(await admin.listTopics())) {
      const generation = facts.generationOf(topic)
      const answer = await admin.fetchOffsets({ groupId, topics: [topic] })
      const at = clock.now()
      for (const { partition, offset } of answer[0]?.partitions ?? []) {
        if (Number(offset) >= 0) facts.committed({ topic, generation, partition }, Number(offset), at)
      }
    }
  }

  async function checkpoint(): Promise<void> {
    const client = kafka(10_000, 10)
    const admin = client.admin()
    const consumer = client.consumer({ groupId: `auditor-${(reads += 1)}`, allowAutoTopicCreation: false })
    try {
      await admin.connect()
      const topics = (await admin.listTopics()).filter(isOurs)
      const left = await leftToRead(admin, topics)
      if (left.size > 0) await read(consumer, left)
    } finally {
      await consumer.disconnect().catch(() => {})
      await admin.disconnect().catch(() => {})
    }
  }

  /** By topic and partition, from where to where; without those that have nothing new. */
  async function leftToRead(admin: Admin, topics: readonly string[]): Promise<Map<string, Span>> {
    const left = new Map<string, Span>()
    for (const topic of topics) {
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        const from = Math.max(Number(low), facts.nextOf(topic, partition))
        if (from < Number(high)) left.set(`${topic}/${partition}`, { topic, partition, from, to: Number(high) })
      }
    }
    return left
  }

  async function read(consumer: Consumer, left: Map<string, Span>): Promise<void> {
    const spans = [...left.values()]
    await consumer.connect()
    await consumer.subscribe({ topics: [...new Set(spans.map(({ topic }) => topic))], fromBeginning: true })
    const done = new Promise<void>((resolve) => {
      void consumer.run({
        autoCommit: false,
        eachBatch: ({ batch }) => {
          const { topic, partition } = batch
          const generation = facts.generationOf(topic)
          for (const { offset, value, headers, timestamp } of batch.messages) {
            if (Number(offset) < facts.nextOf(topic, partition)) continue
            const id = idIn(value, headers)
            const at = Number(timestamp) * 1_000 - clock.epochMicros
            facts.record({ topic, generation, partition }, { offset: Number(offset), id, at })
          }
          const span = left.get(`${topic}/${partition}`)
          if (span !== undefined && Number(batch.lastOffset()) + 1 >= span.to) left.delete(`${topic}/${partition}`)
          if (left.size === 0) resolve()
          return Promise.resolve()
        },
      })
    })
    for (const { topic, partition, from } of spans) consumer.seek({ topic, partition, offset: String(from) })
    const late = new AbortController()
    const timeout = sleep(readMs, undefined, { signal: late.signal }).then(
      () => Promise.reject(new Error(`Not read in ${readMs} ms: ${[...left.keys()].join(', ')}`)),
      () => {},
    )
    await Promise.race([done, timeout])
    late.abort()
  }

  async function close(): Promise<void> {
    stopped = true
    await sampling
  }

  return {
    start(now) {
      clock = { now, epochMicros: Date.now() * 1_000 - now() }
      sampling = sampleForEver()
    },
    checkpoint,
    ignore: (topic) => facts.ignore(topic),
    forget: (topic) => facts.forget(topic),
    async finish() {
      await close()
      await checkpoint()
      return facts
    },
    close,
  }
}

interface Span {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

function isOurs(topic: string): boolean {
  return directFlows
    .map((key) => flows[key])
    .some(({ contract: { destination } }) => topic.split('.')[0] === destination)
}

function idIn(value: Buffer | null, headers: Readonly<Record<string, unknown>> | undefined): string {
  const marked = headers?.[markHeader]
  if (Buffer.isBuffer(marked)) return marked.toString()
  return idOfBody.exec(value?.toString('latin1') ?? '')?.[1] ?? ''
}
