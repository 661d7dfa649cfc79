import type { Consumer, EachBatchPayload, KafkaMessage, LogEntry, Offsets } from 'kafkajs'
import { byDeadline } from '../../byDeadline.js'
import { DriverError } from '../driverError.js'
import type {
  ConsumerEvents,
  ConsumerOptions,
  DriverConsumer,
  DriverSettings,
  FetchedRecord,
  OffsetToCommit,
} from '../driver.js'
import { createFastFetch } from './fastFetch.js'
import type { FetchedTogether } from './fetchResponse.js'
import { createKafkajsClient, retryOptions } from './kafkajsClient.js'
import type { KafkajsClient } from './kafkajsClient.js'
import { toDriverError } from './kafkajsErrors.js'

/** Longest poll, and longest sleep while all partitions are paused: the time until a resume takes effect. */
const maxWaitMs = 250
/** One fetch of one broker; the messages of a fetch share its memory. */
const maxFetchBytes = 4 * 1024 * 1024
/** More batches at a time than this are not worth their bookkeeping. */
const maxConcurrentPartitions = 64

/** What only a batch of kafkajs gives; `consumer.commitOffsets` resolves during a stop without committing (tried). */
type Captured = Pick<EachBatchPayload, 'heartbeat' | 'commitOffsetsIfNecessary'>

/**
 * One kafkajs consumer. kafkajs never sees an error of ours: a batch that cannot be taken is left unresolved, so that it
 * is fetched again. It never restarts itself either: a crash is told, once.
 */
class KafkajsConsumer implements DriverConsumer {
  readonly #options: ConsumerOptions
  readonly #events: ConsumerEvents
  readonly #settings: DriverSettings
  readonly #client: KafkajsClient
  readonly #consumer: Consumer
  #captured: Captured | undefined
  #assigned: ReadonlySet<number> = new Set()
  #running: Promise<void> | undefined
  /** Whether it may be a member: one that is gone without leaving holds its partitions for a session timeout. */
  #isMember = false
  #joined: { resolve(): void; reject(error: DriverError): void } | undefined
  #stopping: Promise<void> | undefined
  #dead = false

  constructor(options: ConsumerOptions, events: ConsumerEvents, settings: DriverSettings) {
    this.#options = options
    this.#events = events
    this.#settings = settings
    this.#client = createKafkajsClient(settings, { retries: 5, onLog: (entry) => this.#readLog(entry) })
    createFastFetch(this.#client.kafka, settings.logger)
    this.#consumer = this.#client.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.sessionTimeoutMs,
      rebalanceTimeout: options.rebalanceTimeoutMs,
      heartbeatInterval: options.heartbeatIntervalMs,
      maxBytesPerPartition: options.maxPartitionFetchBytes,
      maxBytes: Math.max(maxFetchBytes, options.maxPartitionFetchBytes),
      maxWaitTimeInMs: maxWaitMs,
      metadataMaxAge: options.metadataMaxAgeMs,
      // What a transaction has not committed is no message.
      readUncommitted: false,
      allowAutoTopicCreation: false,
      retry: { ...retryOptions(5), restartOnFailure: () => Promise.resolve(false) },
    })
    this.#listen()
  }

  async start(): Promise<void> {
    const joined = new Promise<void>((resolve, reject) => (this.#joined = { resolve, reject }))
    this.#running = this.#run()
    // `run` resolves also when the consumer has crashed on its way, so only the events tell.
    this.#running.catch((error: unknown) => this.#fail(toDriverError(error, `Joining ${this.#options.groupId}`)))
    await joined
  }

  pause(partitions: readonly number[]): void {
    this.#whileRunning(() => this.#consumer.pause([{ topic: this.#options.topic, partitions: [...partitions] }]))
  }

  resume(partitions: readonly number[]): void {
    this.#whileRunning(() => this.#consumer.resume([{ topic: this.#options.topic, partitions: [...partitions] }]))
  }

  seek(partition: number, offset: number): void {
    this.#whileRunning(() => this.#consumer.seek({ topic: this.#options.topic, partition, offset: String(offset) }))
  }

  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const { topic } = this.#options
    try {
      if (this.#captured === undefined) {
        await this.#consumer.commitOffsets(
          offsets.map(({ partition, offset, metadata }) => ({ topic, partition, offset: String(offset), metadata })),
        )
        return
      }
      // kafkajs' types know no metadata here; its request carries it (tried).
      const partitions = offsets.map(({ partition, offset, metadata }) => ({
        partition,
        offset: String(offset),
        metadata,
      }))
      const request: Offsets = { topics: [{ topic, partitions }] }
      await this.#captured.commitOffsetsIfNecessary(request)
    } catch (error) {
      throw toDriverError(error, `Committing offsets of ${this.#options.groupId}`)
    }
  }

  async heartbeat(): Promise<void> {
    try {
      await this.#captured?.heartbeat()
    } catch (error) {
      throw toDriverError(error, `Heartbeat of ${this.#options.groupId}`)
    }
  }

  async stop(deadline: number): Promise<void> {
    this.#dead = true
    this.#joined?.reject(this.#ended())
    this.#stopping ??= this.#leave(deadline)
    // A second call may have less time than the first.
    await byDeadline(this.#stopping, { clock: this.#settings.clock, deadline })
    this.#client.sockets.end()
  }

  async #run(): Promise<void> {
    await this.#consumer.connect()
    await this.#consumer.subscribe({ topic: this.#options.topic, fromBeginning: true })
    if (this.#dead) return
    this.#isMember = true
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: Math.min(this.#options.partitions, maxConcurrentPartitions),
      eachBatch: (payload) => this.#take(payload),
    })
  }

  #listen(): void {
    const { topic } = this.#options
    this.#consumer.on('consumer.group_join', ({ payload }) => {
      if (this.#dead) return
      const partitions = payload.memberAssignment[topic] ?? []
      this.#assigned = new Set(partitions)
      this.#events.assigned(partitions)
      this.#joined?.resolve()
      this.#joined = undefined
    })
    this.#consumer.on('consumer.rebalancing', () => {
      if (!this.#dead) this.#events.rebalancing()
    })
    this.#consumer.on('consumer.fetch', () => {
      if (!this.#dead) this.#events.alive()
    })
    // Batches of control records or of aborted transactions only do not come to `eachBatch`.
    this.#consumer.on('consumer.end_batch_process', ({ payload }) => {
      if (payload.batchSize > 0 || this.#dead || !this.#assigned.has(payload.partition)) return
      void this.#events.fetched({
        partition: payload.partition,
        records: [],
        nextOffset: Number(payload.lastOffset) + 1,
      })
    })
    this.#consumer.on('consumer.crash', ({ payload }) => {
      this.#fail(toDriverError(payload.error, `The consumer of ${this.#options.groupId} crashed`))
    })
  }

  async #take({ batch, ...payload }: EachBatchPayload): Promise<void> {
    this.#captured ??= payload
    // After a seek, or for a partition that was ours in the generation before: not resolved, so not skipped.
    if (this.#dead || !payload.isRunning() || payload.isStale() || !this.#assigned.has(batch.partition)) return
    const lastOffset = batch.lastOffset()
    try {
      const nextOffset = Number(lastOffset) + 1
      const taken = this.#events.fetched({
        partition: batch.partition,
        records: recordsOf(batch),
        nextOffset,
      })
      // At hand-over, or the batch is fetched again for ever. The last message also resolves what follows it unseen.
      const last = batch.messages.at(-1)
      if (last !== undefined) payload.resolveOffset(last.offset)
      await taken
    } catch (err) {
      this.#settings.logger.error(
        { event: 'kafka.batch', topic: this.#options.topic, err },
        'A batch could not be taken',
      )
    }
  }

  /** kafkajs resets to the beginning without an event; that it did stands in its log only. */
  #readLog({ log }: LogEntry): void {
    if (this.#dead || !log.message.includes('Offset out of range, resetting')) return
    if (typeof log['partition'] === 'number') this.#events.reset(log['partition'])
  }

  #fail(error: DriverError): void {
    if (this.#dead) return
    this.#dead = true
    if (this.#joined !== undefined) this.#joined.reject(error)
    else this.#events.failed(error)
  }

  #whileRunning(action: () => void): void {
    try {
      action()
    } catch {
      // kafkajs refuses while it does not run. What is paused and where to fetch is told again with each assignment.
    }
  }

  /** `disconnect` before `run` has resolved would leave it running; after that, it may wait for ever. */
  async #leave(deadline: number): Promise<void> {
    const wait = { clock: this.#settings.clock, deadline }
    if (!this.#isMember) return
    await byDeadline(this.#running?.catch(() => {}) ?? Promise.resolve(), wait)
    await byDeadline(
      this.#consumer.disconnect().catch(() => {}),
      wait,
    )
  }

  #ended(): DriverError {
    return new DriverError({ kind: 'connection', message: `The consumer of ${this.#options.groupId} was stopped` })
  }
}

/** A consumer of one topic in one group, not started. */
export function createKafkajsConsumer(
  options: ConsumerOptions,
  events: ConsumerEvents,
  settings: DriverSettings,
): DriverConsumer {
  return new KafkajsConsumer(options, events, settings)
}

/**
 * Read by us, they come as one message; else as kafkajs has read them. A broker gives whole batches, so the first records
 * may be older than what was asked for.
 */
function recordsOf(batch: EachBatchPayload['batch']): readonly FetchedRecord[] {
  const [first] = batch.messages as unknown as readonly Partial<FetchedTogether>[]
  if (first?.records === undefined) return batch.messages.map(fetched)
  const { records } = first
  const from = Number((batch as unknown as { readonly fetchedOffset: string }).fetchedOffset)
  if (records.length === 0 || records[0]!.offset >= from) return records
  return records.filter(({ offset }) => offset >= from)
}

function fetched({ offset, timestamp, key, value, headers }: KafkaMessage): FetchedRecord {
  return { offset: Number(offset), timestampMs: Number(timestamp), key, value, headers: headers ?? {} }
}
