import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import {
  ConfigurationError,
  boolean,
  callable,
  listOf,
  object,
  oneOf,
  optionProblems,
  text,
  wholeNumber,
} from '@posthorn/core/adapter'
import type { BackoffOptions, OptionRule } from '@posthorn/core/adapter'
import { compressionProblem } from './compression.js'
import type { Compression } from './compression.js'
import { driverCapabilities } from './driver/driverCapabilities.js'
import type { DriverName } from './driver/driverCapabilities.js'
import { createTopologyMap } from './topologyMap.js'
import type { TopologyMap } from './topologyMap.js'
import { orMinusOne, topologyProblems } from './topologyOptions.js'
import type { TopologyMode, TopologyOptions } from './topologyOptions.js'

/** Certificates and the like, as `tls.connect` takes them. */
export type KafkaTls = TlsConnectionOptions

/** A user name and a password, as `sasl.credentials` gives them. */
export interface KafkaCredentials {
  readonly username: string
  readonly password: string
}

/**
 * Asked at every login, so that a secret can change. It must settle within `connectTimeoutMs`, then `signal` fires; an
 * error counts as an attempt that failed, and is tried again.
 */
export type KafkaSecretSource<Secret> = (request: { readonly signal: AbortSignal }) => Secret | Promise<Secret>

/** Who we are to the broker. A login that the broker ends after a while is renewed on the running connection. */
export type KafkaSasl =
  | ({ readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' } & (
      KafkaCredentials | { readonly credentials: KafkaSecretSource<KafkaCredentials> }
    ))
  | { readonly mechanism: 'oauthbearer'; readonly token: KafkaSecretSource<string> }

/** What a partitioner of your own chooses by. */
export interface PartitionerInput {
  /** The topic; also those of retries and dead letters. */
  readonly topic: string
  /** How many partitions the topic has now. */
  readonly partitions: number
  /** The partition key, where the message has one. */
  readonly key: string | undefined
  /** Headers of the record, the content type included. */
  readonly headers: Readonly<Record<string, string>>
}

/** How `createKafka` reaches and uses a cluster. Every option but `brokers` has a default that is safe in production. */
export interface KafkaOptions {
  /** Addresses to begin with, at least one: `host:port`. The cluster tells the others. */
  readonly brokers: readonly string[]
  /**
   * The Kafka client underneath: `kafkajs` comes along; `platformatic` needs the package `@platformatic/kafka` beside
   * ours, and can do more (docs/reference/kafka-drivers.md).
   * @default 'kafkajs'
   */
  readonly driver?: DriverName
  /**
   * Our name in the broker's logs and quotas.
   * @default 'posthorn'
   */
  readonly clientId?: string
  /**
   * `true` for TLS with the system's certificates, or what `tls.connect` takes: `ca`, `cert`, `key`, `servername`.
   * @default false
   */
  readonly tls?: boolean | KafkaTls
  /** Credentials; without them the broker takes us as anonymous. */
  readonly sasl?: KafkaSasl
  /**
   * Longest wait for one connection, in milliseconds. Lower moves on to the next broker sooner; too low never connects
   * over a slow link.
   * @default 5_000
   */
  readonly connectTimeoutMs?: number
  /**
   * Longest wait for the answer to one request, in milliseconds. Lower finds dead peers sooner; too low gives up sends
   * that slow replicas would still confirm, which makes duplicates.
   * @default 15_000
   */
  readonly requestTimeoutMs?: number
  /**
   * A consumer without a heartbeat for so long loses its partitions, in milliseconds. Lower takes over from a crashed
   * process sooner, and takes an event loop that is blocked as long for a crashed one. The broker allows 6 s and more.
   * @default 30_000
   */
  readonly sessionTimeoutMs?: number
  /**
   * Between two heartbeats, in milliseconds; at most a third of `sessionTimeoutMs`. Lower notices rebalances sooner.
   * @default 3_000, or a third of `sessionTimeoutMs` if that is less
   */
  readonly heartbeatIntervalMs?: number
  /**
   * The name of this process in its groups, the same after a restart and of no other process: a restart within
   * `sessionTimeoutMs` rebalances nobody; one that does not come back keeps its partitions idle for as long. Only a driver
   * with static membership takes it.
   * @default none: a restart rebalances its groups
   */
  readonly groupInstanceId?: string
  /**
   * How long a rebalance waits for what is in flight here, in milliseconds. Higher handles less twice; the whole group
   * stands still until its slowest member is done. Only a driver that drains takes more than 0.
   * @default 3_000 with a driver that drains, else 0
   */
  readonly rebalanceDrainMs?: number
  /**
   * `apply` creates the topics that are missing; `verify` creates nothing and refuses what is missing or different;
   * `none` trusts that everything is there. Existing topics are never changed. An object says how long retries and dead
   * letters are kept, and maps destinations and groups onto topics and groups that exist already.
   * @default 'apply'
   */
  readonly topology?: TopologyMode | TopologyOptions
  /**
   * Partitions of a destination's topic that we create; its retry and dead-letter topics get as many. More let more
   * processes share the work, and cost batching; adding some later moves keys to other partitions.
   * @default 6
   */
  readonly partitions?: number
  /**
   * Copies of each partition of topics that we create. -1 is the broker's own default; less than 3 can lose confirmed
   * messages together with a broker.
   * @default -1
   */
  readonly replicationFactor?: number
  /** Waits between attempts to connect: a random part of a bound that doubles from `firstMs` to `maxMs`. */
  readonly reconnect?: {
    /**
     * First bound, in milliseconds. Lower reconnects sooner, and loads a broker that is just starting.
     * @default 100
     */
    readonly firstMs?: number
    /**
     * Last bound, in milliseconds. Lower resumes sooner after a long outage.
     * @default 3_000
     */
    readonly maxMs?: number
  }
  /**
   * Where a group begins that has no offsets: with the first message of the topic, or with what comes after its first
   * start. `latest` takes a group whose offsets have expired for a new one, and skips what it missed. Retries, dead letters
   * and partitions that are added later always begin with the first.
   * @default 'earliest'
   */
  readonly newGroups?: 'earliest' | 'latest'
  /**
   * What a group does whose offset does not exist any more, since messages were deleted before it has read them, or the
   * topic was made anew: it goes on with the first message that is there, or with what comes next, or not at all (`fail`)
   * until somebody has decided. Logged and counted (`lostOffsets`) in any case.
   * @default 'earliest'
   */
  readonly lostOffsets?: 'earliest' | 'latest' | 'fail'
  /**
   * Between two looks at the partitions of a topic, in milliseconds. Lower finds new partitions sooner, and asks the
   * cluster more often.
   * @default 60_000
   */
  readonly metadataMaxAgeMs?: number
  /**
   * Between two commits, in milliseconds. Higher costs the coordinator less, and repeats more after a crash.
   * @default 250
   */
  readonly commitIntervalMs?: number
  /**
   * Largest batch that we send to one partition, in bytes, before compression: at most the `max.message.bytes` of the
   * topics. Higher is more throughput for large messages; a batch that a topic does not take is divided and sent again.
   * @default 1_048_576
   */
  readonly maxBatchBytes?: number
  /**
   * Longest body that is published, in bytes. Topics that we create have room for it and the headers; that of existing
   * ones (`max.message.bytes`, 1,048,588 unless changed) is looked at.
   * @default 1_000_000
   */
  readonly maxBodyBytes?: number
  /**
   * How batches are compressed. `gzip` is built in; `snappy` needs the package snappy, `lz4` the package lz4-napi, `zstd`
   * Node.js 22.15 or later. All save network and disk and cost CPU here and at consumers: gzip most, lz4 and snappy
   * least. Batches of whatever codec is there are read in any case.
   * @default 'none'
   */
  readonly compression?: Compression
  /**
   * Whose time records carry: ours, or none (`'broker'`), for topics that set it themselves
   * (`message.timestamp.type=LogAppendTime`). Retries carry ours in any case. A clock of ours that is wrong disturbs retention
   * and lookups by time, and one that is far ahead has messages refused; the broker's is not the time of the event.
   * @default 'ours'
   */
  readonly timestamps?: 'ours' | 'broker'
  /**
   * Where messages go. A message with a key goes where Java's client sends it (murmur2 of the key). One without stays with a
   * partition until its batch leaves (`'sticky'`: larger batches), or they take turns (`'roundRobin'`: the most even). A
   * function decides for every message, retries and dead letters included: it gets `{ topic, partitions, key, headers }`,
   * and gives a number below `partitions`, or undefined for `'sticky'`. It must be quick, and give one partition for
   * one key, or the order of the key is lost.
   * @default 'sticky'
   */
  readonly partitioner?: 'sticky' | 'roundRobin' | ((message: PartitionerInput) => number | undefined)
  /**
   * Batches are encoded past kafkajs' own encoder, where kafkajs looks as it is known to. `false` goes through kafkajs
   * alone, at more CPU per message: to find out whether this is to blame for something.
   * @default true
   */
  readonly fastPath?: boolean
  /**
   * How much of a partition one fetch brings, in bytes. Higher is more throughput and more memory, for each partition.
   * @default 1_048_576
   */
  readonly maxPartitionFetchBytes?: number
  /**
   * At most so many messages of a partition are handed over beyond the oldest unsettled one. Higher lets more flow past
   * a message that is held, and repeats more after a crash.
   * @default 10_000
   */
  readonly maxUncommittedCount?: number
  /**
   * Between two searches for retry topics of other versions of a service, in milliseconds. Lower picks up what they
   * retry sooner, and asks the cluster for its list of topics more often.
   * @default 30_000
   */
  readonly rungDiscoveryIntervalMs?: number
  /**
   * Between two checks that a consumer with a backlog makes progress, in milliseconds. Lower replaces a stuck one
   * sooner; it takes two checks.
   * @default 30_000
   */
  readonly watchdogIntervalMs?: number
}

/** Options with every default filled in. */
export interface Settings extends Required<Omit<KafkaOptions, 'sasl' | 'reconnect' | 'groupInstanceId' | 'topology'>> {
  readonly topology: TopologyMap
  readonly sasl: KafkaSasl | undefined
  readonly groupInstanceId: string | undefined
  readonly reconnect: BackoffOptions
}

/** Most handlers are done by then, and a group that stands still for so long is hardly noticed. */
const defaultDrainMs = 3_000

const address: OptionRule = (value, path) => {
  // The value is not shown: it could be a URL with a password.
  const parts = typeof value === 'string' ? /^[^\s:@/]+:(\d{1,5})$/.exec(value) : null
  return parts !== null && Number(parts[1]) > 0 && Number(parts[1]) < 65_536 ? undefined : `${path} must be host:port`
}

const tls: OptionRule = (value, path) => (typeof value === 'object' ? object(value, path) : boolean(value, path))

const rules: Readonly<Record<keyof KafkaOptions, OptionRule>> = {
  brokers: listOf(address, 1),
  driver: oneOf('kafkajs', 'platformatic'),
  clientId: text,
  tls,
  sasl: object,
  connectTimeoutMs: wholeNumber(100, 300_000),
  requestTimeoutMs: wholeNumber(1_000, 300_000),
  sessionTimeoutMs: wholeNumber(1_000, 1_800_000),
  heartbeatIntervalMs: wholeNumber(100, 600_000),
  groupInstanceId: text,
  rebalanceDrainMs: wholeNumber(0, 600_000),
  topology: () => undefined,
  partitions: wholeNumber(1, 100_000),
  replicationFactor: orMinusOne(wholeNumber(1, 32_767)),
  reconnect: object,
  newGroups: oneOf('earliest', 'latest'),
  lostOffsets: oneOf('earliest', 'latest', 'fail'),
  metadataMaxAgeMs: wholeNumber(100),
  commitIntervalMs: wholeNumber(1, 60_000),
  maxBatchBytes: wholeNumber(1_000),
  maxBodyBytes: wholeNumber(1_000),
  partitioner: (value, path) =>
    typeof value === 'function' ? undefined : oneOf('sticky', 'roundRobin')(value, path)?.concat(' or a function'),
  compression: oneOf('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  timestamps: oneOf('ours', 'broker'),
  fastPath: boolean,
  maxPartitionFetchBytes: wholeNumber(1_000),
  maxUncommittedCount: wholeNumber(1),
  rungDiscoveryIntervalMs: wholeNumber(100),
  watchdogIntervalMs: wholeNumber(100),
}

const passwordMechanism = oneOf('plain', 'scram-sha-256', 'scram-sha-512')
const passwordRules = { mechanism: passwordMechanism, username: text, password: text }
const credentialsRules = { mechanism: passwordMechanism, credentials: callable }
const tokenRules = { mechanism: oneOf('oauthbearer'), token: callable }
const reconnectRules = { firstMs: wholeNumber(1, 600_000), maxMs: wholeNumber(1, 600_000) }

/** Fills in the defaults, or throws one `ConfigurationError` with every problem, before any I/O. */
export function settingsOf(options: KafkaOptions): Settings {
  const problems = optionProblems('', options, rules, ['brokers'])
  const given: Partial<KafkaOptions> = isObject(options) ? options : {}
  const topologyTrouble = topologyProblems(given.topology)
  problems.push(...saslProblems(given.sasl), ...topologyTrouble)
  if (isObject(given.reconnect)) problems.push(...optionProblems('reconnect', given.reconnect, reconnectRules))
  const settings = filledIn(given, topologyTrouble.length === 0 ? given.topology : undefined)
  problems.push(...incapable(settings))
  if (settings.heartbeatIntervalMs * 3 > settings.sessionTimeoutMs) {
    problems.push('heartbeatIntervalMs must be at most a third of sessionTimeoutMs')
  }
  if (settings.reconnect.firstMs > settings.reconnect.maxMs) {
    problems.push('reconnect.firstMs must not be above reconnect.maxMs')
  }
  if (problems.length > 0) throw new ConfigurationError('createKafka', problems)
  return settings
}

/** What the driver cannot honour. */
function incapable({ driver, groupInstanceId, rebalanceDrainMs, compression }: Settings): string[] {
  const problems: string[] = []
  const can = driverCapabilities[driver]
  if (groupInstanceId !== undefined && !can.staticMembership) {
    problems.push(`groupInstanceId needs a driver with static membership, such as 'platformatic'; '${driver}' has none`)
  }
  if (rebalanceDrainMs > 0 && !can.drainsBeforeRejoin) {
    problems.push(
      `rebalanceDrainMs must be 0 with driver '${driver}', which joins again at once; 'platformatic' drains`,
    )
  }
  // What is misspelt is a problem already.
  const isKnown = rules.compression(compression, '') === undefined && compression !== 'none'
  const missing = isKnown && !can.codecs.includes(compression) ? compressionProblem(compression) : undefined
  if (missing !== undefined) problems.push(missing)
  return problems
}

function saslProblems(sasl: unknown): string[] {
  if (!isObject(sasl)) return []
  if ((sasl as { mechanism?: unknown }).mechanism === 'oauthbearer') {
    return optionProblems('sasl', sasl, tokenRules, ['token'])
  }
  if ('credentials' in sasl) return optionProblems('sasl', sasl, credentialsRules, ['mechanism', 'credentials'])
  return optionProblems('sasl', sasl, passwordRules, ['mechanism', 'username', 'password'])
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function filledIn(given: Partial<KafkaOptions>, topology: KafkaOptions['topology'] = {}): Settings {
  const { sessionTimeoutMs = 30_000, partitions = 6, replicationFactor = -1 } = given
  const { maxBatchBytes = 1_048_576, maxBodyBytes = 1_000_000 } = given
  const mapping = typeof topology === 'string' ? { mode: topology } : topology
  // An unknown one is a problem that is told already.
  const driver =
    given.driver !== undefined && Object.hasOwn(driverCapabilities, given.driver) ? given.driver : 'kafkajs'
  return {
    brokers: given.brokers ?? [],
    driver,
    clientId: given.clientId ?? 'posthorn',
    tls: given.tls ?? false,
    sasl: given.sasl,
    connectTimeoutMs: given.connectTimeoutMs ?? 5_000,
    requestTimeoutMs: given.requestTimeoutMs ?? 15_000,
    sessionTimeoutMs,
    heartbeatIntervalMs: given.heartbeatIntervalMs ?? Math.min(3_000, Math.floor(sessionTimeoutMs / 3)),
    groupInstanceId: given.groupInstanceId,
    rebalanceDrainMs: given.rebalanceDrainMs ?? (driverCapabilities[driver].drainsBeforeRejoin ? defaultDrainMs : 0),
    topology: createTopologyMap(mapping, { partitions, replicationFactor, maxBodyBytes, maxBatchBytes }),
    partitions,
    replicationFactor,
    reconnect: { firstMs: given.reconnect?.firstMs ?? 100, maxMs: given.reconnect?.maxMs ?? 3_000 },
    newGroups: given.newGroups ?? 'earliest',
    lostOffsets: given.lostOffsets ?? 'earliest',
    metadataMaxAgeMs: given.metadataMaxAgeMs ?? 60_000,
    commitIntervalMs: given.commitIntervalMs ?? 250,
    maxBatchBytes,
    maxBodyBytes,
    partitioner: given.partitioner ?? 'sticky',
    compression: given.compression ?? 'none',
    timestamps: given.timestamps ?? 'ours',
    fastPath: given.fastPath ?? true,
    maxPartitionFetchBytes: given.maxPartitionFetchBytes ?? 1_048_576,
    maxUncommittedCount: given.maxUncommittedCount ?? 10_000,
    rungDiscoveryIntervalMs: given.rungDiscoveryIntervalMs ?? 30_000,
    watchdogIntervalMs: given.watchdogIntervalMs ?? 30_000,
  }
}
