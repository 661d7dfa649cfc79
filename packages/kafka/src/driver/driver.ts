/*
 * What the adapter needs of a Kafka client, and nothing else: metadata, a send to one partition, a fetch loop, commits,
 * heartbeats, pause and resume, membership of a group, and a little administration. Types and habits of a client stay
 * in the folder of its driver. Every promise rejects with a `DriverError`.
 */
import type { Clock, Logger } from '@posthorn/core/adapter'
import type { Compression } from '../compression.js'
import type { DriverCapabilities } from './driverCapabilities.js'
import type { DriverError } from './driverError.js'
import type { KafkaTls } from '../options.js'

/** A record on its way to a partition. */
export interface OutgoingRecord {
  /** Text is written as UTF-8; bytes are a key of somebody else, which is no text. */
  readonly key: string | Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  /** -1 leaves it to the broker, where the topic says so (`message.timestamp.type=LogAppendTime`). */
  readonly timestampMs: number
}

/** Records for one partition: batches that span partitions are how kafkajs loses messages. */
export interface OutgoingBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly OutgoingRecord[]
}

/** A record as it was fetched. */
export interface FetchedRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Header values are buffers, or lists of them where a name is repeated. */
  readonly headers: Readonly<Record<string, unknown>>
  /** How many bytes it takes, where that is known without reading it. */
  readonly size?: number
}

/** What one fetch brought of one partition. Without records when all were control records or aborted. */
export interface FetchedBatch {
  readonly partition: number
  readonly records: readonly FetchedRecord[]
  /** Where the next fetch begins; offsets are not dense. */
  readonly nextOffset: number
}

/** What a group has committed for one partition. */
export interface CommittedOffset {
  readonly offset: number
  readonly metadata: string
}

export interface OffsetToCommit extends CommittedOffset {
  readonly partition: number
}

/** The first offset that is still there, and the one that the next record gets. */
export interface LogOffsets {
  readonly low: number
  readonly high: number
}

export interface TopicToCreate {
  readonly topic: string
  readonly partitions: number
  /** -1 leaves it to the broker. */
  readonly replicationFactor: number
  /** Settings by Kafka's names, beside those that the broker has for all topics. */
  readonly configs: Readonly<Record<string, string>>
  /** A topic that exists: kafkajs asks for every topic of the cluster before it creates one, unless it knows one. */
  readonly beside: string | undefined
}

/** What a topic is. */
export interface TopicDescription {
  readonly partitions: number
  /** The fewest copies that a partition has. */
  readonly replicationFactor: number
  /** As they are in effect, defaults of the broker included; undefined when we may not read them. */
  readonly configs: Readonly<Record<string, string>> | undefined
}

export interface ConsumerOptions {
  readonly topic: string
  readonly groupId: string
  /** How many partitions the topic has, so that one of them does not wait for another. */
  readonly partitions: number
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** How long a rebalance waits for members that do not come back: for a dead one, all this time. */
  readonly rebalanceTimeoutMs: number
  /** The member's name, for a driver with `staticMembership`. */
  readonly groupInstanceId?: string
  readonly maxPartitionFetchBytes: number
  /** Partitions that are new are found within this time. */
  readonly metadataMaxAgeMs: number
}

/** What a consumer tells. Nothing is called after `stop()` was, and nothing here may throw. */
export interface ConsumerEvents {
  /** A new generation: exactly these partitions are ours. Called before anything of them is fetched. */
  assigned(partitions: readonly number[]): void
  /** The generation ends: which partitions stay is not known until `assigned`. May be called more than once. */
  rebalancing(): void
  /**
   * Resolves when nothing of the generation that ends is in flight any more, or time is up. Asked after `rebalancing` by
   * a driver that drains before it joins again; until then it still commits.
   */
  drained(): Promise<void>
  /** The next batch of the partition is fetched when the promise has settled. */
  fetched(batch: FetchedBatch): Promise<void> | void
  /** The offset to fetch does not exist (any more): fetching goes on at the first one that does. */
  reset(partition: number): void
  /** The fetch loop has turned. */
  alive(): void
  /** The consumer is dead; make a new one. */
  failed(error: DriverError): void
}

/** One member of a group, for one topic. */
export interface DriverConsumer {
  /** Resolves with the first assignment; rejects when the consumer died before, which `failed` then does not tell. */
  start(): Promise<void>
  pause(partitions: readonly number[]): void
  resume(partitions: readonly number[]): void
  /** The next fetch begins there; what is being fetched is dropped. */
  seek(partition: number, offset: number): void
  /** Sent with the generation of this moment: the caller checks what it owns in the same turn of the event loop. */
  commit(offsets: readonly OffsetToCommit[]): Promise<void>
  heartbeat(): Promise<void>
  /** Leaves the group and closes everything by the deadline, whatever the client does. Idempotent. */
  stop(deadline: number): Promise<void>
}

export interface KafkaDriver {
  readonly capabilities: DriverCapabilities
  /** Resolves when a broker has answered. May be called again after it rejected. */
  connect(): Promise<void>
  /** How many partitions the topic has, all with leaders; undefined when there is no such topic. */
  partitionCount(topic: string): Promise<number | undefined>
  topics(): Promise<readonly string[]>
  /** A topic that exists already is fine. */
  createTopics(topics: readonly TopicToCreate[]): Promise<void>
  /** Those of the topics that exist. */
  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>
  /** A topic that is gone already is fine. */
  deleteTopic(topic: string): Promise<void>
  /** How many members a group has at this moment; zero for one that never was. */
  memberCount(groupId: string): Promise<number>
  /** Of a group that only ever reads this topic; partitions without a commit are left out. */
  committed(groupId: string, topic: string): Promise<ReadonlyMap<number, CommittedOffset>>
  logOffsets(topic: string): Promise<ReadonlyMap<number, LogOffsets>>
  /** Up to where consumers may read each partition: behind that, a transaction is still open. Asked rarely. */
  readableEnds(topic: string): Promise<ReadonlyMap<number, number>>
  /** Resolves when all in-sync replicas have every record. One call at a time for a partition. */
  send(batch: OutgoingBatch): Promise<void>
  consumer(options: ConsumerOptions, events: ConsumerEvents): DriverConsumer
  /** Ends connections, timers and everything under way by the deadline; idempotent. Consumers are stopped on their own. */
  close(deadline: number): Promise<void>
}

/** Of a driver the questions about the cluster, and the creation and deletion of topics. */
export interface DriverAdmin extends Omit<KafkaDriver, 'capabilities' | 'send' | 'consumer' | 'close'> {
  /** Breaks connections; what is under way fails. */
  end(): void
}

/** Of OAUTHBEARER, the token is the password, and the user name is empty. */
export interface LoginSecret {
  readonly username: string
  readonly password: string
}

/** How to log in with SASL. */
export interface DriverLogin {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'
  /** Asked at every login, since it may change. Settles within `connectTimeoutMs`; its error is a `DriverError`, too. */
  secret(): Promise<LoginSecret>
}

export interface DriverSettings {
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly tls: KafkaTls | boolean
  readonly login: DriverLogin | undefined
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly compression: Compression
  /** Whether the driver may go past the interface of its client, where that is cheaper. */
  readonly fastPath: boolean
  readonly logger: Logger
  readonly clock: Clock
}

/** Makes a driver, without I/O. */
export type CreateDriver = (settings: DriverSettings) => KafkaDriver
