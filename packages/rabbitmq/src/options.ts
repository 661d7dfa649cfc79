import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { ConfigurationError, listOf, object, oneOf, optionProblems, text, wholeNumber } from '@posthorn/core/adapter'
import type { BackoffOptions, OptionRule } from '@posthorn/core/adapter'
import { parseBrokerUrl } from './brokerUrl.js'
import type { Broker } from './brokerUrl.js'

/** How `createRabbitMq` reaches and uses a broker. Every option but `urls` has a default that is safe in production. */
export interface RabbitMqOptions {
  /**
   * The nodes of one cluster, at least one: `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS. They are
   * tried in random order. Without user and password, `guest` and `guest`.
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
  /** Passed to `tls.connect` for `amqps` urls: `ca`, `cert`, `key`, `servername` and so on. */
  readonly tls?: TlsConnectionOptions
  /**
   * `apply` declares what is missing; `verify` changes nothing and refuses what is missing or different (bindings
   * cannot be read with AMQP and are not checked); `none` trusts that everything is there.
   * @default 'apply'
   */
  readonly topology?: 'apply' | 'verify' | 'none'
  /**
   * How long a delivery may stay unsettled, in milliseconds: below the broker's `consumer_timeout` (30 minutes unless
   * changed), which takes unsettled deliveries away. Raise it only together with the broker's.
   * @default 1_500_000
   */
  readonly consumerTimeoutMs?: number
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
  readonly topology: 'apply' | 'verify' | 'none'
  readonly consumerTimeoutMs: number
}

/** AMQP has 16 bits for the heartbeat in seconds; more than ten minutes would not find a dead peer in useful time. */
const maxHeartbeatMs = 600_000

const rules: Readonly<Record<keyof RabbitMqOptions, OptionRule>> = {
  urls: listOf(() => undefined, 1),
  vhost: text,
  heartbeatMs: wholeNumber(1_000, maxHeartbeatMs),
  connectTimeoutMs: wholeNumber(100, 300_000),
  reconnect: object,
  clientName: text,
  tls: object,
  topology: oneOf('apply', 'verify', 'none'),
  consumerTimeoutMs: wholeNumber(1_000),
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
  const parsed = (Array.isArray(given.urls) ? given.urls : []).map((url, index) =>
    parseBrokerUrl(url, `urls[${index}]`),
  )
  problems.push(...parsed.filter((broker) => typeof broker === 'string'))
  const brokers = parsed.filter((broker) => typeof broker !== 'string')
  const reconnect = { firstMs: given.reconnect?.firstMs ?? 200, maxMs: given.reconnect?.maxMs ?? 5_000 }
  problems.push(...combinationProblems(given, brokers, reconnect))
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
  return problems
}

function filledIn(options: RabbitMqOptions, brokers: readonly Broker[], reconnect: BackoffOptions): Settings {
  // amqplib unescapes the virtual host, so a name with a % in it must reach it escaped.
  const vhost = options.vhost === undefined ? brokers[0]?.connect.vhost : encodeURIComponent(options.vhost)
  const heartbeatSeconds = Math.ceil((options.heartbeatMs ?? 10_000) / 1_000)
  return {
    brokers: brokers.map((broker) => ({
      ...broker,
      connect: { ...broker.connect, heartbeat: heartbeatSeconds, ...(vhost === undefined ? {} : { vhost }) },
    })),
    addresses: [...new Set(brokers.map((broker) => broker.address))],
    vhost: vhost === undefined ? '/' : decodeURIComponent(vhost),
    heartbeatSeconds,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    reconnect,
    clientName: options.clientName ?? 'posthorn',
    tls: options.tls ?? {},
    topology: options.topology ?? 'apply',
    consumerTimeoutMs: options.consumerTimeoutMs ?? 1_500_000,
  }
}
