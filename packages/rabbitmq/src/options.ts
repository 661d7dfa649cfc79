import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import {
  boolean,
  ConfigurationError,
  listOf,
  object,
  oneOf,
  optionProblems,
  text,
  wholeNumber,
} from '@posthorn/core/adapter'
import type { BackoffOptions, OptionRule } from '@posthorn/core/adapter'
import { amqplibProblem, installedAmqplib } from './amqplibVersion.js'
import { parseBrokerUrl } from './brokerUrl.js'
import type { Broker } from './brokerUrl.js'
import type { CredentialsSource } from './credentials.js'
import { createTopologyMap } from './topologyMap.js'
import type { TopologyMap } from './topologyMap.js'
import { topologyProblems } from './topologyOptions.js'
import type { TopologyMode, TopologyOptions } from './topologyOptions.js'

/** How `createRabbitMq` reaches and uses a broker. Every option but `urls` has a default that is safe in production. */
export interface RabbitMqOptions {
  /**
   * The nodes of one cluster, at least one: `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS. They are
   * tried in random order. Without user and password, `guest` and `guest`, or what `credentials` says.
   */
  readonly urls: readonly string[]
  /**
   * The virtual host on every node. Give it here or as the path of the urls, not both.
   * @default the path of each url, or `/`
   */
  readonly vhost?: string
  /**
   * Without a sign of life for two of these, a connection counts as dead, in milliseconds; rounded up to whole seconds.
   * Lower finds dead peers sooner, and takes an event loop that is blocked as long for a dead client.
   * @default 10_000
   */
  readonly heartbeatMs?: number
  /**
   * Longest wait for one node to answer, handshake included, in milliseconds. Lower moves on to the next node sooner;
   * too low never connects over a slow link.
   * @default 5_000
   */
  readonly connectTimeoutMs?: number
  /** Waits between two rounds through all nodes: a random part of a bound that doubles from `firstMs` to `maxMs`. */
  readonly reconnect?: {
    /**
     * First bound, in milliseconds. Lower reconnects sooner, and loads a broker that is just starting.
     * @default 200
     */
    readonly firstMs?: number
    /**
     * Last bound, in milliseconds. Lower resumes sooner after a long outage.
     * @default 5_000
     */
    readonly maxMs?: number
  }
  /**
   * The name of the connections in RabbitMQ's management, followed by what each is for.
   * @default 'posthorn'
   */
  readonly clientName?: string
  /**
   * Passed to `tls.connect` for `amqps` urls: `ca`, `cert`, `key`, `servername` and so on. `rejectUnauthorized: false`
   * takes any server for the broker and is warned of.
   */
  readonly tls?: TlsConnectionOptions
  /**
   * Who we are, where the urls do not say it. A function is asked before every attempt to connect, so that passwords
   * and tokens can change; what expires is renewed on the running connections. `external` logs in with the client
   * certificate of `tls` (SASL EXTERNAL, RabbitMQ's plugin `rabbitmq_auth_mechanism_ssl`).
   * @default user and password of each url
   */
  readonly credentials?: 'external' | CredentialsSource
  /**
   * The longest frame to take from the broker, in bytes. A longer one ends the connection: lower protects memory, and too
   * low breaks the connection again and again on one message of a broker that does not split its frames.
   * @default 67_108_864 (64 MiB)
   */
  readonly maxFrameSizeBytes?: number
  /**
   * `apply` declares what is missing; `verify` changes nothing and refuses what is missing or different (bindings
   * cannot be read with AMQP and are not checked); `none` trusts that everything is there. An object maps destinations
   * and groups onto what exists already.
   * @default 'apply'
   */
  readonly topology?: TopologyMode | TopologyOptions
  /**
   * What happens with events that no queue took: `report` tells it in the result of the publish; `keep` also stores them
   * in a bounded queue, `<destination>.unrouted`, from which they can be replayed to a later group. It costs a second
   * confirmed write for each such event. Commands are never kept: their publish rejects.
   * @default 'report'
   */
  readonly unrouted?: 'report' | 'keep'
  /**
   * How many unrouted events are kept of each destination; further ones are only reported, and counted. Higher keeps more
   * on the broker's disk. The first declaration of the queue decides.
   * @default 100_000
   */
  readonly maxUnroutedCount?: number
  /**
   * How long an unrouted event is kept, in milliseconds. Lower makes room sooner; what is older is gone. The first
   * declaration of the queue decides.
   * @default for ever
   */
  readonly unroutedMaxAgeMs?: number
  /**
   * How long a delivery may stay unsettled, in milliseconds: below the broker's `consumer_timeout` (30 minutes unless
   * changed), which takes unsettled deliveries away. Raise it only together with the broker's.
   * @default 1_500_000
   */
  readonly consumerTimeoutMs?: number
  /**
   * Between two checks that a consumer whose queue has messages gets some, in milliseconds. Lower replaces a stuck one
   * sooner (it takes three checks), and asks the broker about idle queues more often.
   * @default 30_000
   */
  readonly watchdogIntervalMs?: number
  /**
   * Publishes of one turn of the event loop are encoded and written together, and deliveries are read in one go, past
   * amqplib's own buffers, where amqplib looks as it is known to. `false` goes through amqplib alone, at more CPU per
   * message: to find out whether this is to blame for something.
   * @default true
   */
  readonly fastPath?: boolean
  /**
   * What a lost connection leaves without a confirmation is published again with the same id once there is a new one,
   * until its deadline. `true` makes more duplicates and fewer errors; `false` rejects at once with `unknown`.
   * @default false
   */
  readonly resendUnconfirmed?: boolean
}

/** Options with every default filled in. */
export interface Settings {
  readonly brokers: readonly Broker[]
  /** Without credentials. */
  readonly addresses: readonly string[]
  readonly vhost: string
  readonly heartbeatSeconds: number
  readonly connectTimeoutMs: number
  readonly reconnect: BackoffOptions
  readonly clientName: string
  readonly tls: TlsConnectionOptions
  readonly credentials: 'urls' | 'external' | CredentialsSource
  readonly topology: TopologyMap
  readonly consumerTimeoutMs: number
  readonly watchdogIntervalMs: number
  readonly fastPath: boolean
  readonly resendUnconfirmed: boolean
}

/** AMQP has 16 bits for the heartbeat in seconds; more than ten minutes would not find a dead peer in useful time. */
const maxHeartbeatMs = 600_000

/** RabbitMQ 4.1 and later begin with frames of that size. */
const minFrameBytes = 8_192

const externalOrFunction: OptionRule = (value, path) =>
  value === 'external' || typeof value === 'function' ? undefined : `${path} must be 'external' or a function`

const rules: Readonly<Record<keyof RabbitMqOptions, OptionRule>> = {
  urls: listOf(() => undefined, 1),
  vhost: text,
  heartbeatMs: wholeNumber(1_000, maxHeartbeatMs),
  connectTimeoutMs: wholeNumber(100, 300_000),
  reconnect: object,
  clientName: text,
  tls: object,
  credentials: externalOrFunction,
  maxFrameSizeBytes: wholeNumber(minFrameBytes, 4_294_967_295),
  topology: () => undefined,
  unrouted: oneOf('report', 'keep'),
  maxUnroutedCount: wholeNumber(1),
  unroutedMaxAgeMs: wholeNumber(1_000, 4_294_967_295),
  consumerTimeoutMs: wholeNumber(1_000),
  watchdogIntervalMs: wholeNumber(100),
  fastPath: boolean,
  resendUnconfirmed: boolean,
}

const reconnectRules: Readonly<Record<string, OptionRule>> = {
  firstMs: wholeNumber(1, 600_000),
  maxMs: wholeNumber(1, 600_000),
}

/** Fills in the defaults, or throws one `ConfigurationError` with every problem, before any I/O. */
export function settingsOf(options: RabbitMqOptions): Settings {
  const problems = optionProblems('', options, rules, ['urls'])
  const given: Partial<RabbitMqOptions> = typeof options === 'object' && options !== null ? options : {}
  if (typeof given.reconnect === 'object' && given.reconnect !== null) {
    problems.push(...optionProblems('reconnect', given.reconnect, reconnectRules))
  }
  problems.push(...topologyProblems(given.topology))
  const parsed = (Array.isArray(given.urls) ? given.urls : []).map((url, index) =>
    parseBrokerUrl(url, `urls[${index}]`),
  )
  problems.push(...parsed.filter((broker) => typeof broker === 'string'))
  const brokers = parsed.filter((broker) => typeof broker !== 'string')
  const reconnect = { firstMs: given.reconnect?.firstMs ?? 200, maxMs: given.reconnect?.maxMs ?? 5_000 }
  problems.push(...combinationProblems(given, brokers, reconnect), ...loginProblems(given, brokers))
  const versionProblem = amqplibProblem(installedAmqplib())
  if (versionProblem !== undefined) problems.push(versionProblem)
  if (problems.length > 0) throw new ConfigurationError('createRabbitMq', problems)
  return filledIn(options, brokers, reconnect)
}

function combinationProblems(
  given: Partial<RabbitMqOptions>,
  brokers: readonly Broker[],
  reconnect: BackoffOptions,
): string[] {
  const problems: string[] = []
  if (reconnect.firstMs > reconnect.maxMs) problems.push('reconnect.firstMs must not be above reconnect.maxMs')
  if (given.vhost !== undefined && brokers.some((broker) => broker.connect.vhost !== undefined)) {
    problems.push('vhost must be given once: as the option or as the path of the urls')
  }
  const vhosts = new Set(brokers.map((broker) => broker.connect.vhost))
  if (vhosts.size > 1) problems.push('urls must name the same virtual host: they are the nodes of one cluster')
  if (given.tls !== undefined && brokers.length > 0 && !brokers.some((broker) => broker.secure)) {
    problems.push('tls has no effect without an amqps:// url')
  }
  for (const key of ['maxUnroutedCount', 'unroutedMaxAgeMs'] as const) {
    if (given[key] !== undefined && given.unrouted !== 'keep')
      problems.push(`${key} has no effect without unrouted: 'keep'`)
  }
  return problems
}

function loginProblems({ credentials, tls }: Partial<RabbitMqOptions>, brokers: readonly Broker[]): string[] {
  if (credentials === undefined) return []
  const problems: string[] = []
  if (brokers.some((broker) => broker.namesUser)) {
    problems.push('credentials must be given once: as the option or as user and password of the urls')
  }
  if (credentials !== 'external') return problems
  if (brokers.some((broker) => !broker.secure)) problems.push("credentials 'external' need amqps:// in every url")
  if (tls?.cert === undefined && tls?.pfx === undefined && tls?.secureContext === undefined) {
    problems.push("credentials 'external' need a client certificate: tls.cert and tls.key, or tls.pfx")
  }
  return problems
}

function topologyMapOf(options: RabbitMqOptions): TopologyMap {
  const { topology = {}, unrouted, maxUnroutedCount: maxCount = 100_000, unroutedMaxAgeMs: maxAgeMs } = options
  const mapping = typeof topology === 'string' ? { mode: topology } : topology
  return createTopologyMap(mapping, unrouted === 'keep' ? { maxCount, maxAgeMs } : undefined)
}

function filledIn(options: RabbitMqOptions, brokers: readonly Broker[], reconnect: BackoffOptions): Settings {
  // amqplib unescapes the virtual host, so a name with a % in it must reach it escaped.
  const vhost = options.vhost === undefined ? brokers[0]?.connect.vhost : encodeURIComponent(options.vhost)
  const heartbeatSeconds = Math.ceil((options.heartbeatMs ?? 10_000) / 1_000)
  return {
    brokers: brokers.map((broker) => ({
      ...broker,
      connect: {
        ...broker.connect,
        heartbeat: heartbeatSeconds,
        maxFrameSize: options.maxFrameSizeBytes ?? 67_108_864,
        ...(vhost === undefined ? {} : { vhost }),
      },
    })),
    addresses: [...new Set(brokers.map((broker) => broker.address))],
    vhost: vhost === undefined ? '/' : decodeURIComponent(vhost),
    heartbeatSeconds,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    reconnect,
    clientName: options.clientName ?? 'posthorn',
    tls: options.tls ?? {},
    credentials: options.credentials ?? 'urls',
    topology: topologyMapOf(options),
    consumerTimeoutMs: options.consumerTimeoutMs ?? 1_500_000,
    watchdogIntervalMs: options.watchdogIntervalMs ?? 30_000,
    fastPath: options.fastPath ?? true,
    resendUnconfirmed: options.resendUnconfirmed ?? false,
  }
}
