import { existsSync } from 'node:fs'
import { announce, source, type Acquired, type Source } from './acquired.js'
import type { ServerCertificate, TestCertificates } from './certificates.js'
import { control, type NodeControl } from './control.js'
import { addressesOf } from './environment.js'
import { findInCompose, findInEnvironment, type Wanted } from './find.js'
import {
  sharedInstances,
  type Instance,
  type SaslListener,
  type ServerSettings,
  type TlsListener,
} from './instances.js'
import { kafkaCertificates, kafkaListeners, type KafkaListeners } from './kafkaSecurity.js'
import { kafkaTool, presentKafkaCertificate } from './kafkaServer.js'
import { isAnswering, startOwned } from './lifecycle.js'
import type { Progress } from './progress.js'
import {
  presentCertificate,
  rabbitMqCertificates,
  rabbitMqCtl,
  rabbitMqMetricsAddresses,
  rabbitMqTlsUrls,
  syncRabbitMqDeclarations,
} from './rabbitMqServer.js'
import type { RunResult } from './run.js'
import {
  pgBouncerTarget,
  targetOf,
  type KafkaVersion,
  type KindName,
  type PostgresVersion,
  type RabbitMqVersion,
} from './targets.js'

export interface AcquireOptions {
  /** Always an instance of one's own, with its own ports and data: for tests that kill or block it. */
  readonly fresh?: boolean
  /** Told about installations, which take long the first time; by default they are lines on stderr. */
  readonly progress?: Progress
}

export interface AcquireRabbitMqOptions extends AcquireOptions {
  readonly version?: RabbitMqVersion
  readonly nodes?: 1 | 3
  /** Listen with TLS too, with certificates made for this server; needs `fresh`. */
  readonly tls?: TlsListener
  /** Serve metrics for Prometheus too, at `metricsAddresses`; needs `fresh`. */
  readonly metrics?: boolean
}

export interface AcquireKafkaOptions extends AcquireOptions {
  readonly version?: KafkaVersion
  readonly nodes?: 1 | 3
  /** Listen with TLS too, with certificates made for this server; needs `fresh`. */
  readonly tls?: TlsListener
  /** Listen with SASL too, for `kafkaUsers`, and together with `tls` with both; needs `fresh`. */
  readonly sasl?: SaslListener
  /** Make topics for whoever asks for one that is not there, as brokers do unless told otherwise; needs `fresh`. */
  readonly autoCreateTopics?: boolean
}

export interface AcquirePostgresOptions extends AcquireOptions {
  readonly version?: PostgresVersion
}

export interface AcquirePgBouncerOptions {
  /** The address of the PostgreSQL. */
  readonly upstream: string
  /** See `AcquireOptions`. */
  readonly progress?: Progress
}

export interface RabbitMqControl extends NodeControl {
  /** Runs `rabbitmqctl` against the first node (another one: `-n`, `node2@localhost`); throws when it fails. */
  ctl(...args: string[]): Promise<string>
  /**
   * Call it between declaring quorum queues and `kill`: a quorum queue that is younger than about a second when its node
   * is killed comes back empty, even of confirmed messages. All nodes have to be up.
   */
  syncDeclarations(): Promise<void>
  /** Shows another certificate from the next handshake on; for servers with `tls`. */
  presentCertificate(name: ServerCertificate): Promise<void>
}

export interface KafkaControl extends NodeControl {
  /** Runs one of Kafka's Java tools, such as `org.apache.kafka.tools.ConsoleProducer`; any exit code is a result. */
  tool(mainClass: string, args: readonly string[], options?: KafkaToolOptions): Promise<RunResult>
  /** Shows another certificate from the next handshake on; for servers with `tls`. */
  presentCertificate(name: ServerCertificate): Promise<void>
}

export interface KafkaToolOptions {
  /** Its standard input. */
  readonly input?: string
  /** @default 60_000 */
  readonly timeoutMs?: number
}

export interface RabbitMq extends Acquired<RabbitMqControl> {
  readonly urls: string[]
  /** Of the listeners with TLS; empty without `tls`. */
  readonly tlsUrls: string[]
  /** Of a server with `metrics`: host and port of each node. */
  readonly metricsAddresses: string[]
  /** Of a server with `tls`. */
  readonly certificates?: TestCertificates
}

export interface Kafka extends Acquired<KafkaControl> {
  /** Of the listeners without security; whoever comes in there may do everything. */
  readonly brokers: string[]
  /** Of the others; empty without `tls` or `sasl`. */
  readonly listeners: KafkaListeners
  /** Of a server with `tls`. */
  readonly certificates?: TestCertificates
}

export interface Postgres extends Acquired<NodeControl> {
  readonly url: string
}

export interface PgBouncer extends Postgres {
  readonly sessionUrl: string
}

/** In this order: the environment, a running compose stack, what `up` started, and else a server of our own. */
const acquire = async (wanted: Wanted, options: AcquireOptions & ServerSettings): Promise<Source> => {
  const settings = settingsOf(options)
  for (const name of Object.keys(settings)) {
    if (options.fresh !== true) throw new Error(`a server with ${name} must be a fresh one`)
  }
  if (options.fresh !== true) {
    const found = (await findInEnvironment(wanted)) ?? (await findInCompose(wanted))
    if (found !== undefined) {
      return source({ addresses: [...found.addresses], version: found.version, release: async () => {} })
    }
    const instance = await findShared(wanted)
    if (instance !== undefined) {
      return source({ addresses: addressesOf(instance), version: instance.version, instance, release: async () => {} })
    }
  }
  const target = targetOf(wanted.kind, wanted.version, wanted.nodes)
  const { instance, release } = await startOwned(target, options.progress ?? announce(target.name), settings)
  return source({ addresses: addressesOf(instance), version: instance.version, instance, release })
}

const settingsOf = ({ tls, metrics, sasl, autoCreateTopics }: ServerSettings): ServerSettings => ({
  ...(tls === undefined ? {} : { tls }),
  ...(metrics === undefined ? {} : { metrics }),
  ...(sasl === undefined ? {} : { sasl }),
  ...(autoCreateTopics === undefined ? {} : { autoCreateTopics }),
})

/** Without a version asked for: the newest if it is up, otherwise what was started last. */
const findShared = async ({ kind, version, nodes }: Wanted): Promise<Instance | undefined> => {
  const newest = targetOf(kind, undefined, nodes).name
  const candidates = sharedInstances()
    .filter(({ ready, target }) => ready && target.kind === kind && target.nodes === nodes)
    .filter(({ target }) => version === undefined || target.version === version)
    .reverse()
    .sort((a, b) => Number(b.target.name === newest) - Number(a.target.name === newest))
  for (const instance of candidates) {
    const answers = await Promise.all(instance.nodes.map((node) => isAnswering(instance, node)))
    if (answers.every(Boolean)) return instance
  }
  return undefined
}

const acquired = (
  kind: KindName,
  options: AcquireOptions & ServerSettings & { version?: string; nodes?: number },
): Promise<Source> => acquire({ kind, version: options.version, nodes: options.nodes ?? 1 }, options)

const guarded = (instance: Instance): Instance => {
  if (!existsSync(instance.folder)) throw new Error(`${instance.id} has been released`)
  return instance
}

/** A RabbitMQ, found or started. `nodes: 3` gives a cluster with a URL for each node. */
export const acquireRabbitMq = async (options: AcquireRabbitMqOptions = {}): Promise<RabbitMq> => {
  const { addresses: urls, instance, ...rest } = await acquired('rabbitmq', options)
  if (instance === undefined) return { ...rest, urls, tlsUrls: [], metricsAddresses: [] }
  const tlsUrls = rabbitMqTlsUrls(instance)
  const metricsAddresses = rabbitMqMetricsAddresses(instance)
  const certificates = rabbitMqCertificates(instance)
  const ctl = async (...args: string[]): Promise<string> => rabbitMqCtl(guarded(instance), args)
  const syncDeclarations = async (): Promise<void> => syncRabbitMqDeclarations(guarded(instance))
  const present = async (name: ServerCertificate): Promise<void> => presentCertificate(guarded(instance), name)
  return {
    ...rest,
    urls,
    tlsUrls,
    metricsAddresses,
    ...(certificates === undefined ? {} : { certificates }),
    control: { ...control(instance), ctl, syncDeclarations, presentCertificate: present },
  }
}

/** A Kafka, found or started. `nodes: 3` gives a cluster with three copies of each topic. */
export const acquireKafka = async (options: AcquireKafkaOptions = {}): Promise<Kafka> => {
  const { addresses: brokers, instance, ...rest } = await acquired('kafka', options)
  if (instance === undefined) return { ...rest, brokers, listeners: { tls: [], sasl: [], saslTls: [] } }
  const tool: KafkaControl['tool'] = async (...args) => kafkaTool(guarded(instance), ...args)
  const presentCertificate = async (name: ServerCertificate): Promise<void> =>
    presentKafkaCertificate(guarded(instance), name)
  const certificates = kafkaCertificates(instance)
  return {
    ...rest,
    brokers,
    listeners: kafkaListeners(instance),
    ...(certificates === undefined ? {} : { certificates }),
    control: { ...control(instance), tool, presentCertificate },
  }
}

/** A PostgreSQL, found or started. */
export const acquirePostgres = async (options: AcquirePostgresOptions = {}): Promise<Postgres> => {
  const { addresses, instance, ...rest } = await acquired('postgres', options)
  const url = addresses[0] as string
  return instance === undefined ? { ...rest, url } : { ...rest, url, control: control(instance) }
}

/**
 * A PgBouncer of one's own before a PostgreSQL, which more clients share than it opens connections: `url` with a server
 * connection for each transaction, `sessionUrl` with one for as long as the client is connected.
 */
export const acquirePgBouncer = async ({ upstream, progress }: AcquirePgBouncerOptions): Promise<PgBouncer> => {
  const { name } = pgBouncerTarget
  const { instance, release } = await startOwned(pgBouncerTarget, progress ?? announce(name), { upstream })
  const [url, sessionUrl] = addressesOf(instance) as [string, string]
  const { version } = instance
  return { ...source({ addresses: [], version, instance, release }), url, sessionUrl, control: control(instance) }
}
