import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stateFolder } from './folders.js'
import { withLock } from './lock.js'
import { pickPorts } from './ports.js'
import { isSameProcess, type ProcessIdentity } from './processes.js'
import { reap } from './reap.js'
import type { Target } from './targets.js'

export type Ports = Readonly<Record<string, number>>

/** One broker process of an instance; `index` counts from 1 and names its folder, `node1`. */
export interface InstanceNode {
  readonly index: number
  readonly ports: Ports
}

/**
 * A server (or cluster) of this stack, as its `instance.json` describes it. The file holds all that is needed to stop, kill
 * or restart it from any process; there is no other state.
 */
export interface Instance extends ServerSettings {
  readonly id: string
  readonly target: Target
  /** The exact version that runs: `4.3.6`; it may be older than asked for, see `installRabbitMq`. */
  readonly version: string
  /** The installation that it runs from: a chroot, a folder of jars. */
  readonly installed: string
  readonly folder: string
  /** The process that it ends with; null for one that `up` started, which stays until `down`. */
  readonly owner: ProcessIdentity | null
  readonly ports: Ports
  readonly nodes: readonly InstanceNode[]
  readonly startedAt: string
  readonly ready: boolean
}

/** How a second listener speaks TLS. */
export interface TlsListener {
  /** Whether clients must show a certificate; on RabbitMQ they may then also log in with it (SASL EXTERNAL). */
  readonly verifyPeer?: boolean
}

/** How further listeners of Kafka ask who comes; whoever has logged in may do what ACLs allow. */
export interface SaslListener {
  /** So long a login is good, in milliseconds: `connections.max.reauth.ms`. For ever, or as long as a token, without. */
  readonly maxReauthMs?: number
  /** @default all four */
  readonly mechanisms?: readonly ('PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER')[]
}

/** Some who are scraped, and labels for what is read from them: an entry of what Prometheus calls file_sd. */
export interface TargetGroup {
  /** Host and port of each. */
  readonly targets: readonly string[]
  /** @default none beside `job` and `instance` */
  readonly labels?: Readonly<Record<string, string>>
}

/** What a Prometheus of one's own reads, and from whom. */
export interface PrometheusSettings {
  /** A folder with a `prometheus.yml` and all that this names; it is copied. */
  readonly configuration: string
  /** Who is scraped: what stands in the place of each file `targets/<name>.yml` of the folder. */
  readonly targets: Readonly<Record<string, readonly TargetGroup[]>>
  /** So often it scrapes, and evaluates its rules, in seconds. @default as `prometheus.yml` says */
  readonly intervalSeconds?: number
}

/** What only a server of one's own has: listeners beside the plain one, and settings that others would not expect. */
export interface ServerSettings {
  readonly tls?: TlsListener
  /** RabbitMQ serves what it measures, for Prometheus. */
  readonly metrics?: boolean
  readonly sasl?: SaslListener
  /** Kafka makes a topic that it does not have for whoever asks for it. */
  readonly autoCreateTopics?: boolean
  /** The address of the PostgreSQL that PgBouncer stands before. */
  readonly upstream?: string
  readonly prometheus?: PrometheusSettings
}

export interface InstanceRequest extends ServerSettings {
  readonly target: Target
  readonly version: string
  readonly installed: string
  readonly owner: ProcessIdentity | null
  /** Names of the ports that the instance needs once, and of those that each node needs. */
  readonly portNames: { readonly shared: readonly string[]; readonly perNode: readonly string[] }
}

const fileOf = (folder: string): string => join(folder, 'instance.json')

export const nodeFolder = (instance: Instance, node: InstanceNode): string => join(instance.folder, `node${node.index}`)

/** Reserves an id, a folder and ports; nothing runs yet. */
export const createInstance = async (request: InstanceRequest): Promise<Instance> => {
  const { portNames, ...rest } = request
  const state = stateFolder()
  // Picking and writing down under one lock: two processes that start at once never get the same port.
  return withLock(join(state, 'ports.lock'), async () => {
    const taken = new Set(readInstances(state).flatMap(portsOf))
    const { nodes: count } = request.target
    const picked = await pickPorts(portNames.shared.length + count * portNames.perNode.length, taken)
    const take = (names: readonly string[]): Ports =>
      Object.fromEntries(names.map((name) => [name, picked.shift() as number]))
    const id = `${request.target.kind}-${randomBytes(6).toString('hex')}`
    const instance: Instance = {
      ...rest,
      id,
      folder: join(state, id),
      ports: take(portNames.shared),
      nodes: Array.from({ length: count }, (_, at) => ({ index: at + 1, ports: take(portNames.perNode) })),
      startedAt: new Date().toISOString(),
      ready: false,
    }
    mkdirSync(instance.folder, { mode: 0o711 })
    for (const node of instance.nodes) mkdirSync(nodeFolder(instance, node))
    writeInstance(instance)
    return instance
  })
}

/** Replaces the file in one step, so that a reader never sees half of it. */
export const writeInstance = (instance: Instance): void => {
  const file = fileOf(instance.folder)
  writeFileSync(`${file}.new`, `${JSON.stringify(instance, null, 2)}\n`)
  renameSync(`${file}.new`, file)
}

const portsOf = (instance: Instance): number[] => [instance, ...instance.nodes].flatMap((it) => Object.values(it.ports))

/** All instances that are written down in `state`, oldest first; unreadable ones are left out. */
export const readInstances = (state = stateFolder()): Instance[] =>
  readdirSync(state, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      try {
        const folder = join(state, entry.name)
        // The folder is taken from where the file lies, not from what it says: it is what gets deleted.
        return [{ ...(JSON.parse(readFileSync(fileOf(folder), 'utf8')) as Instance), folder }]
      } catch {
        return []
      }
    })
    .sort((a, b) => a.startedAt.localeCompare(b.startedAt))

/** The instances that `up` started and that anybody may use. */
export const sharedInstances = (): Instance[] => readInstances().filter((instance) => instance.owner === null)

/** Removes what a killed process left behind where its watchdog was killed too; returns what it removed. */
export const sweepOrphans = async (): Promise<Instance[]> => {
  const orphans = readInstances().filter(({ owner }) => owner !== null && !isSameProcess(owner))
  await Promise.all(orphans.map((instance) => reap(instance)))
  return orphans
}
