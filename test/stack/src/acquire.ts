import { existsSync } from 'node:fs'
import { control, type NodeControl } from './control.js'
import { addressesOf } from './environment.js'
import { findInCompose, findInEnvironment, type Wanted } from './find.js'
import { sharedInstances, type Instance } from './instances.js'
import { kafkaTool } from './kafkaServer.js'
import { isAnswering, startOwned, starting } from './lifecycle.js'
import type { Progress } from './progress.js'
import { rabbitMqCtl, syncRabbitMqDeclarations } from './rabbitMqServer.js'
import type { RunResult } from './run.js'
import { targetOf, type KafkaVersion, type KindName, type RabbitMqVersion } from './targets.js'

export interface AcquireOptions {
  /** Always an instance of one's own, with its own ports and data: for tests that kill or block it. */
  readonly fresh?: boolean
  /** Told about installations, which take long the first time; by default they are lines on stderr. */
  readonly progress?: Progress
}

export interface AcquireRabbitMqOptions extends AcquireOptions {
  readonly version?: RabbitMqVersion
  readonly nodes?: 1 | 3
}

export interface AcquireKafkaOptions extends AcquireOptions {
  readonly version?: KafkaVersion
  readonly nodes?: 1 | 3
}

export interface Acquired<Control> {
  /** The exact version, as far as it can be told; otherwise `unknown`. */
  readonly version: string
  /** Whether this stack runs it, so that there is a `control`. */
  readonly managed: boolean
  readonly control?: Control
  /** Ends it if it was started for this call; does nothing to a server that others may use. Idempotent. */
  readonly release: () => Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface RabbitMqControl extends NodeControl {
  /** Runs `rabbitmqctl` against the first node (another one: `-n`, `node2@localhost`); throws when it fails. */
  ctl(...args: string[]): Promise<string>
  /**
   * Call it between declaring quorum queues and `kill`: a quorum queue that is younger than about a second when its node
   * is killed comes back empty, even of confirmed messages. All nodes have to be up.
   */
  syncDeclarations(): Promise<void>
}

export interface KafkaControl extends NodeControl {
  /** Runs one of Kafka's Java tools, such as `org.apache.kafka.tools.ConsoleProducer`; any exit code is a result. */
  tool(mainClass: string, args: readonly string[], options?: KafkaToolOptions): Promise<RunResult>
}

export interface KafkaToolOptions {
  /** Its standard input. */
  readonly input?: string
  /** @default 60_000 */
  readonly timeoutMs?: number
}

export interface RabbitMq extends Acquired<RabbitMqControl> {
  readonly urls: string[]
}

export interface Kafka extends Acquired<KafkaControl> {
  readonly brokers: string[]
}

export interface Postgres extends Acquired<NodeControl> {
  readonly url: string
}

/** A server from anywhere, with the addresses to reach it. */
interface Source extends Omit<Acquired<never>, 'control'> {
  readonly addresses: string[]
  readonly instance?: Instance
}

const source = (parts: Omit<Source, 'managed' | typeof Symbol.asyncDispose>): Source => ({
  ...parts,
  managed: parts.instance !== undefined,
  [Symbol.asyncDispose]: parts.release,
})

const announce =
  (name: string): Progress =>
  (step) =>
    void (step !== starting && process.stderr.write(`${name} ${step}\n`))

/** In this order: the environment, a running compose stack, what `up` started, and else a server of our own. */
const acquire = async (wanted: Wanted, options: AcquireOptions): Promise<Source> => {
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
  const { instance, release } = await startOwned(target, options.progress ?? announce(target.name))
  return source({ addresses: addressesOf(instance), version: instance.version, instance, release })
}

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

const acquired = (kind: KindName, options: AcquireOptions & { version?: string; nodes?: number }): Promise<Source> =>
  acquire({ kind, version: options.version, nodes: options.nodes ?? 1 }, options)

const guarded = (instance: Instance): Instance => {
  if (!existsSync(instance.folder)) throw new Error(`${instance.id} has been released`)
  return instance
}

/** A RabbitMQ, found or started. `nodes: 3` gives a cluster with a URL for each node. */
export const acquireRabbitMq = async (options: AcquireRabbitMqOptions = {}): Promise<RabbitMq> => {
  const { addresses: urls, instance, ...rest } = await acquired('rabbitmq', options)
  if (instance === undefined) return { ...rest, urls }
  const ctl = async (...args: string[]): Promise<string> => rabbitMqCtl(guarded(instance), args)
  const syncDeclarations = async (): Promise<void> => syncRabbitMqDeclarations(guarded(instance))
  return { ...rest, urls, control: { ...control(instance), ctl, syncDeclarations } }
}

/** A Kafka, found or started. `nodes: 3` gives a cluster with three copies of each topic. */
export const acquireKafka = async (options: AcquireKafkaOptions = {}): Promise<Kafka> => {
  const { addresses: brokers, instance, ...rest } = await acquired('kafka', options)
  if (instance === undefined) return { ...rest, brokers }
  const tool: KafkaControl['tool'] = async (...args) => kafkaTool(guarded(instance), ...args)
  return { ...rest, brokers, control: { ...control(instance), tool } }
}

/** A PostgreSQL, found or started. */
export const acquirePostgres = async (options: AcquireOptions = {}): Promise<Postgres> => {
  const { addresses, instance, ...rest } = await acquired('postgres', options)
  const url = addresses[0] as string
  return instance === undefined ? { ...rest, url } : { ...rest, url, control: control(instance) }
}
