import type {
  CommittedOffset,
  ConsumerEvents,
  ConsumerOptions,
  CreateDriver,
  DriverConsumer,
  FetchedRecord,
  KafkaDriver,
  OffsetToCommit,
  OutgoingBatch,
  TopicDescription,
} from '../../src/driver/driver.js'
import { DriverError } from '../../src/driver/driverError.js'
import type { DriverErrorKind } from '../../src/driver/driverError.js'

/** A send that waits for the test's answer. */
export interface PendingSend {
  readonly batch: OutgoingBatch
  readonly texts: string[]
  confirm(): void
  fail(kind: DriverErrorKind, written?: 'no' | 'unknown'): void
}

/** A consumer as the test sees it. */
export interface FakeConsumer extends DriverConsumer {
  /** A test may put its own in their place. */
  commit: DriverConsumer['commit']
  heartbeat: DriverConsumer['heartbeat']
  readonly options: ConsumerOptions
  readonly events: ConsumerEvents
  readonly paused: Set<number>
  readonly seeks: [number, number][]
  readonly commits: OffsetToCommit[][]
  /** Set by a test to make commits fail. */
  failCommits: DriverErrorKind | undefined
  readonly isStopped: boolean
}

export interface FakeDriver extends KafkaDriver {
  readonly createDriver: CreateDriver
  readonly topicCounts: Map<string, number>
  readonly sends: PendingSend[]
  readonly consumers: FakeConsumer[]
  readonly offsets: Map<string, Map<number, CommittedOffset>>
  readonly logs: Map<string, Map<number, { low: number; high: number }>>
  /** Set by a test to answer each send at once. */
  onSend: ((pending: PendingSend) => void) | undefined
  /** How often partitions were asked for. */
  questions: number
  /** Set by a test to make every question fail. */
  failQuestions: DriverErrorKind | undefined
  readonly isClosed: boolean
}

const safeConfigs = { 'cleanup.policy': 'delete', 'min.insync.replicas': '2', 'retention.ms': '-1' }

/** A cluster without I/O: what happens, and when, is up to the test. */
export function createFakeDriver(topics: Readonly<Record<string, number>> = {}): FakeDriver {
  let isClosed = false
  const topicCounts = new Map(Object.entries(topics))
  const offsets = new Map<string, Map<number, CommittedOffset>>()

  function answer<T>(value: T): Promise<T> {
    const kind = isClosed ? 'closed' : driver.failQuestions
    if (kind !== undefined) return Promise.reject(new DriverError({ kind, message: `fake ${kind}` }))
    return Promise.resolve(value)
  }

  const driver: FakeDriver = {
    capabilities: { drainsBeforeRejoin: false, staticMembership: false, codecs: [] },
    createDriver: () => driver,
    topicCounts,
    sends: [],
    consumers: [],
    offsets,
    logs: new Map(),
    onSend: undefined,
    questions: 0,
    failQuestions: undefined,
    get isClosed() {
      return isClosed
    },
    connect: () => answer(undefined),
    partitionCount(topic) {
      driver.questions += 1
      return answer(topicCounts.get(topic))
    },
    topics: () => answer([...topicCounts.keys()]),
    async createTopics(wanted) {
      await answer(undefined)
      for (const { topic, partitions } of wanted) if (!topicCounts.has(topic)) topicCounts.set(topic, partitions)
    },
    describeTopics(wanted) {
      const facts = new Map<string, TopicDescription>()
      for (const topic of wanted) {
        const partitions = topicCounts.get(topic)
        if (partitions !== undefined) facts.set(topic, { partitions, replicationFactor: 3, configs: safeConfigs })
      }
      return answer(facts)
    },
    deleteTopic: (topic) => answer(void topicCounts.delete(topic)),
    memberCount: () => answer(0),
    committed: (groupId) => answer(new Map(offsets.get(groupId))),
    logOffsets: (topic) => answer(driver.logs.get(topic) ?? new Map()),
    readableEnds: (topic) =>
      answer(new Map([...(driver.logs.get(topic) ?? new Map())].map(([partition, { high }]) => [partition, high]))),
    send: (batch) =>
      new Promise((resolve, reject) => {
        const pending: PendingSend = {
          batch,
          texts: batch.records.map(({ value }) => value?.toString() ?? '<null>'),
          confirm: resolve,
          fail: (kind, written) =>
            reject(new DriverError({ kind, message: `fake ${kind}`, ...(written === undefined ? {} : { written }) })),
        }
        driver.sends.push(pending)
        driver.onSend?.(pending)
      }),
    consumer(options, events) {
      const consumer = createFakeConsumer(options, events, offsets)
      driver.consumers.push(consumer)
      return consumer
    },
    close() {
      isClosed = true
      return Promise.resolve()
    },
  }
  return driver
}

function createFakeConsumer(
  options: ConsumerOptions,
  events: ConsumerEvents,
  offsets: Map<string, Map<number, CommittedOffset>>,
): FakeConsumer {
  let isStopped = false
  let joined: (() => void) | undefined
  const consumer: FakeConsumer = {
    options,
    events: {
      ...events,
      assigned(partitions) {
        events.assigned(partitions)
        joined?.()
      },
    },
    paused: new Set(),
    seeks: [],
    commits: [],
    failCommits: undefined,
    get isStopped() {
      return isStopped
    },
    start: () => new Promise((resolve) => (joined = resolve)),
    pause(partitions) {
      for (const partition of partitions) consumer.paused.add(partition)
    },
    resume(partitions) {
      for (const partition of partitions) consumer.paused.delete(partition)
    },
    seek: (partition, offset) => void consumer.seeks.push([partition, offset]),
    commit(wanted) {
      const kind = consumer.failCommits
      if (kind !== undefined) return Promise.reject(new DriverError({ kind, message: `fake ${kind}` }))
      consumer.commits.push([...wanted])
      const group = offsets.get(options.groupId) ?? new Map<number, CommittedOffset>()
      offsets.set(options.groupId, group)
      for (const { partition, offset, metadata } of wanted) group.set(partition, { offset, metadata })
      return Promise.resolve()
    },
    heartbeat: () => Promise.resolve(),
    stop() {
      isStopped = true
      return Promise.resolve()
    },
  }
  return consumer
}

export function record(offset: number, parts: Partial<FetchedRecord> = {}): FetchedRecord {
  return { offset, timestampMs: 0, key: null, value: Buffer.from(`v${offset}`), headers: {}, ...parts }
}

export function records(from: number, to: number): FetchedRecord[] {
  return Array.from({ length: to - from }, (_, index) => record(from + index))
}
