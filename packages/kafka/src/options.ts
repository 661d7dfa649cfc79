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

/** Certificates and the like, as `tls.connect` takes them. */
export type KafkaTls = TlsConnectionOptions

/** Who we are to the broker. */
export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  /** `token` is asked for again whenever a connection needs one. */
  | { readonly mechanism: 'oauthbearer'; readonly token: () => Promise<string> }

/** How `createKafka` reaches and uses a cluster. Every option but `brokers` has a default that is safe in production. */
export interface KafkaOptions {
  /** Addresses to begin with, at least one: `host:port`. The cluster tells the others. */
  readonly brokers: readonly string[]
  /**
   * Our name in the broker's logs and quotas.
   * @default 'posthorn'
   */
  readonly clientId?: string
  /**
   * `true` for TLS with the system's certificates, or what `tls.connect` takes: `ca`, `cert`, `key`, `servername`.
   * @default false
   */
  readonly ssl?: boolean | KafkaTls
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
   * `apply` creates the topics that are missing; `verify` creates nothing and refuses to start without them; `none`
   * neither creates nor checks the topics of retries and dead letters. Existing topics are never changed.
   * @default 'apply'
   */
  readonly topology?: 'apply' | 'verify' | 'none'
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
   * Between two commits, in milliseconds. Higher costs the coordinator less, and repeats more after a crash.
   * @default 250
   */
  readonly commitIntervalMs?: number
  /**
   * Largest batch that we send to one partition, in bytes before the protocol's own: below the `max.message.bytes` of
   * the topics. Higher is more throughput for large messages.
   * @default 900_000
   */
  readonly maxBatchBytes?: number
  /**
   * Longest body, in bytes. The broker's `max.message.bytes` (1,048,588 by default) must have room for it and the
   * headers.
   * @default 1_000_000
   */
  readonly maxBodyBytes?: number
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
export interface Settings extends Required<Omit<KafkaOptions, 'sasl' | 'reconnect'>> {
  readonly sasl: KafkaSasl | undefined
  readonly reconnect: BackoffOptions
}

const address: OptionRule = (value, path) => {
  // The value is not shown: it could be a URL with a password.
  const parts = typeof value === 'string' ? /^[^\s:@/]+:(\d{1,5})$/.exec(value) : null
  return parts !== null && Number(parts[1]) > 0 && Number(parts[1]) < 65_536 ? undefined : `${path} must be host:port`
}

const replicas: OptionRule = (value, path) =>
  value === -1 ? undefined : wholeNumber(1, 32_767)(value, path)?.replace(' must be ', ' must be -1 or ')

const ssl: OptionRule = (value, path) => (typeof value === 'object' ? object(value, path) : boolean(value, path))

const rules: Readonly<Record<keyof KafkaOptions, OptionRule>> = {
  brokers: listOf(address, 1),
  clientId: text,
  ssl,
  sasl: object,
  connectTimeoutMs: wholeNumber(100, 300_000),
  requestTimeoutMs: wholeNumber(1_000, 300_000),
  sessionTimeoutMs: wholeNumber(1_000, 1_800_000),
  heartbeatIntervalMs: wholeNumber(100, 600_000),
  topology: oneOf('apply', 'verify', 'none'),
  partitions: wholeNumber(1, 100_000),
  replicationFactor: replicas,
  reconnect: object,
  commitIntervalMs: wholeNumber(1, 60_000),
  maxBatchBytes: wholeNumber(1_000),
  maxBodyBytes: wholeNumber(1_000),
  maxPartitionFetchBytes: wholeNumber(1_000),
  maxUncommittedCount: wholeNumber(1),
  rungDiscoveryIntervalMs: wholeNumber(100),
  watchdogIntervalMs: wholeNumber(100),
}

const passwordRules = { mechanism: oneOf('plain', 'scram-sha-256', 'scram-sha-512'), username: text, password: text }
const tokenRules = { mechanism: oneOf('oauthbearer'), token: callable }
const reconnectRules = { firstMs: wholeNumber(1, 600_000), maxMs: wholeNumber(1, 600_000) }

/** Fills in the defaults, or throws one `ConfigurationError` with every problem, before any I/O. */
export function settingsOf(options: KafkaOptions): Settings {
  const problems = optionProblems('', options, rules, ['brokers'])
  const given: Partial<KafkaOptions> = isObject(options) ? options : {}
  problems.push(...saslProblems(given.sasl))
  if (isObject(given.reconnect)) problems.push(...optionProblems('reconnect', given.reconnect, reconnectRules))
  const settings = filledIn(given)
  if (settings.heartbeatIntervalMs * 3 > settings.sessionTimeoutMs) {
    problems.push('heartbeatIntervalMs must be at most a third of sessionTimeoutMs')
  }
  if (settings.reconnect.firstMs > settings.reconnect.maxMs) {
    problems.push('reconnect.firstMs must not be above reconnect.maxMs')
  }
  if (problems.length > 0) throw new ConfigurationError('createKafka', problems)
  return settings
}

function saslProblems(sasl: unknown): string[] {
  if (!isObject(sasl)) return []
  if ((sasl as { mechanism?: unknown }).mechanism === 'oauthbearer') {
    return optionProblems('sasl', sasl, tokenRules, ['token'])
  }
  return optionProblems('sasl', sasl, passwordRules, ['mechanism', 'username', 'password'])
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function filledIn(given: Partial<KafkaOptions>): Settings {
  const sessionTimeoutMs = given.sessionTimeoutMs ?? 30_000
  return {
    brokers: given.brokers ?? [],
    clientId: given.clientId ?? 'posthorn',
    ssl: given.ssl ?? false,
    sasl: given.sasl,
    connectTimeoutMs: given.connectTimeoutMs ?? 5_000,
    requestTimeoutMs: given.requestTimeoutMs ?? 15_000,
    sessionTimeoutMs,
    heartbeatIntervalMs: given.heartbeatIntervalMs ?? Math.min(3_000, Math.floor(sessionTimeoutMs / 3)),
    topology: given.topology ?? 'apply',
    partitions: given.partitions ?? 6,
    replicationFactor: given.replicationFactor ?? -1,
    reconnect: { firstMs: given.reconnect?.firstMs ?? 100, maxMs: given.reconnect?.maxMs ?? 3_000 },
    commitIntervalMs: given.commitIntervalMs ?? 250,
    maxBatchBytes: given.maxBatchBytes ?? 900_000,
    maxBodyBytes: given.maxBodyBytes ?? 1_000_000,
    maxPartitionFetchBytes: given.maxPartitionFetchBytes ?? 1_048_576,
    maxUncommittedCount: given.maxUncommittedCount ?? 10_000,
    rungDiscoveryIntervalMs: given.rungDiscoveryIntervalMs ?? 30_000,
    watchdogIntervalMs: given.watchdogIntervalMs ?? 30_000,
  }
}
