import { randomUUID } from 'node:crypto'
import { silentLogger, systemClock } from '@posthorn/core/adapter'
import type {
  Delivery,
  Logger,
  RunningSubscription,
  Subscription,
  Target,
  Transport,
  TransportContext,
  WireMessage,
} from '@posthorn/core/adapter'
import kafkajs from 'kafkajs'
import type { Admin } from 'kafkajs'
import { createKafka } from '../../src/kafka.js'
import type { KafkaTransport } from '../../src/kafka.js'
import type { KafkaOptions } from '../../src/options.js'

/** The brokers that the test runner has set; without them the tests fail instead of being skipped. */
export function brokersFromEnvironment(): string[] {
  const list = process.env['POSTHORN_KAFKA_BROKERS']
  if (list === undefined || list === '') {
    throw new Error('POSTHORN_KAFKA_BROKERS is not set: run the tests with `npm test`, or start a broker and set it')
  }
  return list.split(',')
}

/** With POSTHORN_KAFKA_DRIVER, the tests of the adapter run on another driver than the default one. */
export function chosenDriver(): Pick<KafkaOptions, 'driver'> {
  const driver = process.env['POSTHORN_KAFKA_DRIVER']
  return driver === undefined ? {} : { driver: driver as 'platformatic' }
}

export const context: TransportContext = { logger: silentLogger, clock: systemClock }

/** Of this test: their topics are deleted after it, since a broker does not bear thousands of them. */
const names = new Set<string>()

/** A name that no other test has. */
export function uniqueName(prefix: string): string {
  const name = `${prefix}-${randomUUID().slice(0, 12)}`
  names.add(name)
  return name
}

/** As far as it goes: kafkajs lists no topics while another test deletes some. */
async function deleteTopics(brokers: readonly string[]): Promise<void> {
  const mine = [...names]
  names.clear()
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin({ retry: { retries: 1 } })
  try {
    await admin.connect()
    const topics = (await admin.listTopics()).filter((topic) => mine.some((name) => topic.startsWith(name)))
    if (topics.length > 0) await admin.deleteTopics({ topics })
  } catch {
    // The next test has topics of its own.
  } finally {
    await admin.disconnect()
  }
}

export function inMs(ms: number): number {
  return systemClock.monotonic() + ms
}

export function wireMessage(parts: Partial<WireMessage> & { readonly id: string }): WireMessage {
  return {
    body: Buffer.from(parts.id),
    contentType: 'text/plain',
    type: 'com.example.test.v1',
    headers: {},
    ...parts,
  }
}

export function subscriptionTo(destination: string, parts: Partial<Subscription> = {}): Subscription {
  return {
    destination,
    group: 'billing',
    source: 'work',
    types: 'all',
    rungsMs: [],
    ordered: false,
    maxInFlight: 1_000,
    maxInFlightBytes: 16 * 1024 * 1024,
    ...parts,
  }
}

/** Makes transports and admin clients, and ends what a test left. */
export interface Bench {
  connect(
    options?: Partial<KafkaOptions>,
    publishes?: readonly string[],
    onLog?: (facts: Readonly<Record<string, unknown>>) => void,
  ): Promise<KafkaTransport>
  admin(): Promise<Admin>
  close(): Promise<void>
}

export function createBench(brokers: () => readonly string[]): Bench {
  const transports: KafkaTransport[] = []
  const admins: Admin[] = []
  return {
    async connect(options = {}, publishes = [], onLog = () => {}) {
      const transport = createKafka({
        brokers: brokers(),
        ...chosenDriver(),
        sessionTimeoutMs: 6_000,
        partitions: 2,
        ...options,
      })
      transports.push(transport)
      const logger: Logger = { ...silentLogger, info: onLog, warn: onLog, error: onLog, child: () => logger }
      await transport.connect({ ...context, logger }, publishes, { deadline: inMs(60_000) })
      return transport
    },
    async admin() {
      const kafka = new kafkajs.Kafka({ brokers: [...brokers()], logLevel: kafkajs.logLevel.NOTHING })
      const admin = kafka.admin()
      await admin.connect()
      admins.push(admin)
      return admin
    },
    async close() {
      await Promise.all(transports.splice(0).map((transport) => transport.close(inMs(10_000))))
      await Promise.all(admins.splice(0).map((admin) => admin.disconnect()))
      if (names.size > 0) await deleteTopics(brokers())
    },
  }
}

/** What a subscription has delivered, and a way to wait for more. */
export interface Collected {
  readonly deliveries: Delivery[]
  readonly texts: string[]
  readonly running: RunningSubscription
  /** Resolves as soon as the condition holds; rejects with what there is after a minute. */
  until(isEnough: (collected: Collected) => boolean, withinMs?: number): Promise<void>
}

export interface CollectOptions {
  readonly subscription: Subscription
  /** @default completes it */
  readonly onDelivery?: (delivery: Delivery) => void
}

export async function collect(transport: Transport, options: CollectOptions): Promise<Collected> {
  const { subscription, onDelivery = (delivery: Delivery) => delivery.complete() } = options
  const deliveries: Delivery[] = []
  const texts: string[] = []
  const waiting = new Set<() => void>()
  const running = await transport.subscribe(
    subscription,
    (items) => {
      for (const delivery of items) {
        deliveries.push(delivery)
        texts.push(delivery.body === null ? '<null>' : Buffer.from(delivery.body).toString())
        onDelivery(delivery)
      }
      for (const check of waiting) check()
    },
    { deadline: inMs(60_000) },
  )
  const collected: Collected = {
    deliveries,
    texts,
    running,
    until: (isEnough, withinMs = 60_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(check)
          reject(new Error(`Not within ${withinMs} ms; ${texts.length} deliveries: ${texts.slice(-20).join(', ')}`))
        }, withinMs)
        function check(): void {
          if (!isEnough(collected)) return
          clearTimeout(timer)
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
  return collected
}

export function send(
  transport: Transport,
  target: Target | string,
  message: WireMessage,
  withinMs = 60_000,
): Promise<unknown> {
  const where = typeof target === 'string' ? { destination: target } : target
  return transport.send(where, message, { deadline: inMs(withinMs) })
}

/** Polls what has no event, such as committed offsets. */
export async function eventually<T>(
  question: () => Promise<T>,
  isRight: (answer: T) => boolean,
  withinMs = 60_000,
): Promise<T> {
  const deadline = inMs(withinMs)
  for (;;) {
    const answer = await question()
    if (isRight(answer)) return answer
    if (systemClock.monotonic() > deadline) throw new Error(`Never right: ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Whether it resolves. */
export function isDone(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}
