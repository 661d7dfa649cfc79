import { randomUUID } from 'node:crypto'
import { silentLogger, systemClock } from '@posthorn/core/adapter'
import kafkajs from 'kafkajs'
import type { Admin, Kafka, Producer } from 'kafkajs'
import type {
  ConsumerOptions,
  CreateDriver,
  DriverConsumer,
  DriverSettings,
  FetchedBatch,
  FetchedRecord,
  KafkaDriver,
  OutgoingRecord,
} from '../../src/driver/driver.js'
import { isPassing } from '../../src/driver/driverError.js'
import type { DriverError } from '../../src/driver/driverError.js'

/** What a consumer has told, and ways to wait for more. */
export interface WatchedConsumer {
  readonly consumer: DriverConsumer
  /** One for each generation. */
  readonly assignments: (readonly number[])[]
  /** What was told, in order. */
  readonly told: string[]
  readonly batches: FetchedBatch[]
  readonly resets: number[]
  readonly failures: DriverError[]
  records(partition?: number): FetchedRecord[]
  values(partition?: number): (string | null)[]
  /** Resolves as soon as the condition holds; rejects with what was told. */
  until(holds: () => boolean, withinMs?: number): Promise<void>
}

export interface WatchOptions extends Partial<ConsumerOptions> {
  readonly onDrained?: () => Promise<void> | void
  readonly onFetched?: (batch: FetchedBatch) => Promise<void> | void
}

/** Drivers, consumers and topics of one test, and an independent client to look behind them. */
export interface DriverBench {
  readonly brokers: readonly string[]
  settings(): DriverSettings
  driver(settings?: Partial<DriverSettings>): Promise<KafkaDriver>
  /** A topic of this test, with a group of the same name. */
  topic(partitions?: number, config?: Readonly<Record<string, string>>): Promise<string>
  watch(driver: KafkaDriver, topic: string, options?: WatchOptions): WatchedConsumer
  /** Starts one more that is watched. */
  join(driver: KafkaDriver, topic: string, options?: WatchOptions): Promise<WatchedConsumer>
  admin(): Promise<Admin>
  /** Takes away what stands before the offset, as retention does. */
  deleteBefore(topic: string, partition: number, offset: number): Promise<void>
  producer(options?: { readonly transactionalId: string }): Promise<Producer>
  /** Ends the tools of the test, which are its own. */
  letGo(): Promise<void>
  close(): Promise<void>
}

export function inMs(ms: number): number {
  return systemClock.monotonic() + ms
}

export function outgoing(value: string | null, parts: Partial<OutgoingRecord> = {}): OutgoingRecord {
  return {
    key: null,
    value: value === null ? null : Buffer.from(value),
    headers: {},
    timestampMs: Date.now(),
    ...parts,
  }
}

/** Polls what has no event. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = inMs(withinMs)
  while (!(await holds())) {
    if (systemClock.monotonic() > deadline) throw new Error(`Not within ${withinMs} ms: ${holds.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export function createDriverBench(create: CreateDriver, addresses: () => readonly string[]): DriverBench {
  const drivers: KafkaDriver[] = []
  const consumers: DriverConsumer[] = []
  const others: { disconnect(): Promise<void> }[] = []
  const topics: string[] = []
  let client: Kafka | undefined

  function settings(): DriverSettings {
    return {
      brokers: addresses(),
      clientId: 'posthorn-test',
      tls: false,
      login: undefined,
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 10_000,
      compression: 'none',
      fastPath: true,
      logger: silentLogger,
      clock: systemClock,
    }
  }

  function other(): Kafka {
    client ??= new kafkajs.Kafka({ brokers: [...addresses()], logLevel: kafkajs.logLevel.NOTHING })
    return client
  }

  function watch(driver: KafkaDriver, topic: string, options: WatchOptions = {}): WatchedConsumer {
    const { onFetched, onDrained, ...parts } = options
    const checks = new Set<() => void>()
    const tell = (what: string): void => {
      if (watched.told.at(-1) !== what || what !== 'alive') watched.told.push(what)
      for (const check of checks) check()
    }
    const consumer = driver.consumer(
      {
        topic,
        groupId: topic,
        partitions: 1,
        sessionTimeoutMs: 6_000,
        heartbeatIntervalMs: 500,
        rebalanceTimeoutMs: 6_000,
        maxPartitionFetchBytes: 1_048_576,
        metadataMaxAgeMs: 60_000,
        ...parts,
      },
      {
        assigned(partitions) {
          watched.assignments.push([...partitions].sort((a, b) => a - b))
          tell('assigned')
        },
        rebalancing() {
          tell('rebalancing')
        },
        drained: async () => {
          tell('drained')
          await onDrained?.()
        },
        fetched(batch) {
          watched.batches.push(batch)
          tell('fetched')
          return onFetched?.(batch)
        },
        reset(partition) {
          watched.resets.push(partition)
          tell('reset')
        },
        alive: () => tell('alive'),
        failed(error) {
          watched.failures.push(error)
          tell('failed')
        },
      },
    )
    consumers.push(consumer)
    const watched: WatchedConsumer = {
      consumer,
      assignments: [],
      told: [],
      batches: [],
      resets: [],
      failures: [],
      records: (partition) =>
        watched.batches
          .filter((batch) => partition === undefined || batch.partition === partition)
          .flatMap(({ records }) => records),
      values: (partition) => watched.records(partition).map(({ value }) => value?.toString() ?? null),
      until: (holds, withinMs = 60_000) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(() => {
            checks.delete(check)
            const failures = watched.failures.map(({ message }) => message).join('; ')
            const said = watched.told.slice(-12).join(', ')
            reject(new Error(`Not within ${withinMs} ms: ${holds.toString()}. Told: ${said}. ${failures}`))
          }, withinMs)
          function check(): void {
            if (!holds()) return
            clearTimeout(timer)
            checks.delete(check)
            resolve()
          }
          checks.add(check)
          check()
        }),
    }
    return watched
  }

  return {
    settings,
    get brokers() {
      return addresses()
    },
    async driver(parts = {}) {
      const driver = create({ ...settings(), ...parts })
      drivers.push(driver)
      return driver
    },
    async topic(partitions = 1, config = {}) {
      const topic = `driver-${randomUUID().slice(0, 12)}`
      topics.push(topic)
      const admin = await this.admin()
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: false })
      // Known to the cluster, and to the leaders themselves, which learn it a little later.
      await eventually(async () => {
        try {
          await admin.fetchTopicMetadata({ topics: [topic] })
          return (await admin.fetchTopicOffsets(topic)).length === partitions
        } catch {
          return false
        }
      })
      return topic
    },
    watch,
    async join(driver, topic, options = {}) {
      for (let attempt = 1; ; attempt += 1) {
        const watched = watch(driver, topic, options)
        try {
          await watched.consumer.start()
          return watched
        } catch (error) {
          // As its user does: a coordinator that is just loading is asked again.
          if (!isPassing(error) || attempt === 10) throw error
          await watched.consumer.stop(inMs(5_000))
        }
      }
    },
    async admin() {
      const admin = other().admin()
      await admin.connect()
      others.push(admin)
      return admin
    },
    async deleteBefore(topic, partition, offset) {
      const admin = await this.admin()
      // Loads the leaders, without which it deletes nothing.
      await admin.fetchTopicMetadata({ topics: [topic] })
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
    },
    async producer(options) {
      const producer = other().producer({
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        ...(options === undefined ? {} : { ...options, idempotent: true, maxInFlightRequests: 1 }),
      })
      await producer.connect()
      others.push(producer)
      return producer
    },
    async letGo() {
      await Promise.all(others.splice(0).map((open) => open.disconnect().catch(() => {})))
    },
    async close() {
      await Promise.all(consumers.splice(0).map((consumer) => consumer.stop(inMs(5_000))))
      await Promise.all(drivers.splice(0).map((driver) => driver.close(inMs(5_000))))
      // A topic that a test has deleted itself is gone; the others must not stay because of it.
      const mine = topics.splice(0)
      if (mine.length > 0) {
        const admin = await this.admin()
        await Promise.all(mine.map((topic) => admin.deleteTopics({ topics: [topic] }).catch(() => {})))
      }
      await this.letGo()
      client = undefined
    },
  }
}
