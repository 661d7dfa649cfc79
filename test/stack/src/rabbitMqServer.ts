import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCertificates, readCertificates, type ServerCertificate, type TestCertificates } from './certificates.js'
import { installRabbitMq } from './installRabbitMq.js'
import { nodeFolder, type Instance, type InstanceNode } from './instances.js'
import { onLoopback, probeRabbitMq } from './probes.js'
import type { Progress } from './progress.js'
import { runOk } from './run.js'
import { serverEnvironment, type ServerCommand, type ServerKind } from './server.js'
import type { RabbitMqVersion } from './targets.js'

// Where the instance's folder appears inside the chroot.
const inside = '/posthorn'
const binaries = '/usr/lib/rabbitmq/bin'

// Run under `unshare --mount`: the mounts are seen by nobody else, and vanish with the last process that sees them.
const enterScript = `
set -e
root=$1 folder=$2; shift 2
for name in proc dev sys; do mount --rbind "/$name" "$root/$name"; done
mount --bind "$folder" "$root${inside}"
mount -t tmpfs tmpfs "$root/tmp"
cd /
exec chroot "$root" setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups "$@"`

const enter = (instance: Instance, command: readonly string[]): ServerCommand => ({
  command: 'unshare',
  args: [
    '--mount',
    '--propagation=private',
    'sh',
    '-c',
    enterScript,
    'sh',
    instance.installed,
    instance.folder,
    ...command,
  ],
})

export const nodeName = (node: InstanceNode): string => `node${node.index}@localhost`

/** What the node and its tools have to agree on to find each other; an own epmd keeps us away from other instances. */
const sharedVariables = (instance: Instance, node: InstanceNode): Record<string, string> => ({
  HOME: `${inside}/home`,
  ERL_EPMD_PORT: String(instance.ports['epmd']),
  ERL_EPMD_ADDRESS: '127.0.0.1',
  RABBITMQ_NODENAME: nodeName(node),
})

const configOf = (instance: Instance, node: InstanceNode): string =>
  [
    `listeners.tcp.1 = 127.0.0.1:${node.ports['amqp']}`,
    'log.console = true',
    'log.file = false',
    ...(instance.nodes.length === 1 ? [] : ['cluster_formation.peer_discovery_backend = classic_config']),
    ...(instance.nodes.length === 1
      ? []
      : instance.nodes.map((peer) => `cluster_formation.classic_config.nodes.${peer.index} = ${nodeName(peer)}`)),
    ...(instance.tls === undefined ? [] : tlsLines(node, instance.tls.verifyPeer === true)),
    ...(instance.metrics === true ? metricsLines(node) : []),
    '',
  ].join('\n')

const tlsFolder = (instance: Instance): string => join(instance.folder, 'tls')

const tlsLines = (node: InstanceNode, verifyPeer: boolean): string[] => [
  `listeners.ssl.1 = 127.0.0.1:${node.ports['amqps']}`,
  `ssl_options.cacertfile = ${inside}/tls/ca.pem`,
  `ssl_options.certfile = ${inside}/tls/server.pem`,
  `ssl_options.keyfile = ${inside}/tls/server.key`,
  `ssl_options.verify = ${verifyPeer ? 'verify_peer' : 'verify_none'}`,
  `ssl_options.fail_if_no_peer_cert = ${verifyPeer}`,
  ...(verifyPeer
    ? ['auth_mechanisms.1 = PLAIN', 'auth_mechanisms.2 = EXTERNAL', 'ssl_cert_login_from = common_name']
    : []),
]

const metricsLines = (node: InstanceNode): string[] => [
  'prometheus.tcp.ip = 127.0.0.1',
  `prometheus.tcp.port = ${node.ports['metrics']}`,
]

// At-least-once dead-lettering tries again after 5 s, not after 180.
const advancedConfig = '[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 5000}]}].\n'

const prepare = async (instance: Instance, progress: Progress): Promise<void> => {
  const home = join(instance.folder, 'home')
  mkdirSync(home)
  // One cookie for all nodes, laid before they start: three that start at once would each write their own.
  writeFileSync(join(home, '.erlang.cookie'), randomBytes(16).toString('hex'))
  chmodSync(join(home, '.erlang.cookie'), 0o400)
  for (const node of instance.nodes) {
    const folder = nodeFolder(instance, node)
    mkdirSync(join(folder, 'data'))
    mkdirSync(join(folder, 'log'))
    writeFileSync(join(folder, 'rabbitmq.conf'), configOf(instance, node))
    writeFileSync(join(folder, 'advanced.config'), advancedConfig)
    writeFileSync(join(folder, 'enabled_plugins'), `[${pluginsOf(instance)}].\n`)
  }
  if (instance.tls !== undefined) {
    await makeCertificates(tlsFolder(instance), progress)
    layCertificate(instance, 'valid')
  }
  const { uid, gid } = rabbitUser(instance.installed)
  const folders = [home, ...instance.nodes.map((node) => nodeFolder(instance, node))]
  if (instance.tls !== undefined) folders.push(tlsFolder(instance))
  for (const folder of folders) chownAll(folder, uid, gid)
}

const pluginsOf = (instance: Instance): string =>
  [
    ...(instance.tls?.verifyPeer === true ? ['rabbitmq_auth_mechanism_ssl'] : []),
    ...(instance.metrics === true ? ['rabbitmq_prometheus'] : []),
  ].join(', ')

// Copied over what is there, so that the files keep their owner.
const layCertificate = (instance: Instance, name: ServerCertificate): void => {
  const folder = tlsFolder(instance)
  for (const ending of ['pem', 'key']) copyFileSync(join(folder, `${name}.${ending}`), join(folder, `server.${ending}`))
}

const rabbitUser = (root: string): { uid: number; gid: number } => {
  const line = /^rabbitmq:[^:]*:(\d+):(\d+):/m.exec(readFileSync(join(root, 'etc/passwd'), 'utf8'))
  if (line === null) throw new Error(`${root} has no user rabbitmq: delete it and try again`)
  return { uid: Number(line[1]), gid: Number(line[2]) }
}

const chownAll = (folder: string, uid: number, gid: number): void => {
  for (const name of ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
    chownSync(join(folder, name), uid, gid)
  }
}

const command = (instance: Instance, node: InstanceNode): ServerCommand => {
  const folder = `${inside}/node${node.index}`
  const env = {
    ...sharedVariables(instance, node),
    RABBITMQ_DIST_PORT: String(node.ports['distribution']),
    RABBITMQ_MNESIA_BASE: `${folder}/data`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_ADVANCED_CONFIG_FILE: `${folder}/advanced.config`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/enabled_plugins`,
    RABBITMQ_PID_FILE: `${folder}/pid`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
  }
  return { ...enter(instance, [`${binaries}/rabbitmq-server`]), env }
}

export const rabbitMqServer: ServerKind = {
  portNames: { shared: ['epmd'], perNode: ['amqp', 'amqps', 'distribution', 'metrics'] },
  install: (version, progress) => installRabbitMq(version as RabbitMqVersion, progress),
  prepare,
  command,
  // The listener opens a moment before the node is complete.
  answers: async (_instance, node, consoleText) =>
    (consoleText === undefined || consoleText.includes('Server startup complete')) &&
    (await probeRabbitMq(onLoopback(node.ports['amqp']))) !== undefined,
  survivors: ['epmd'],
}

export const rabbitMqUrls = (instance: Instance): string[] =>
  instance.nodes.map((node) => `amqp://guest:guest@127.0.0.1:${node.ports['amqp']}`)

/** Of the listeners with TLS; by name, as the valid certificate wants it, though it is good for the address, too. */
export const rabbitMqTlsUrls = (instance: Instance): string[] =>
  instance.tls === undefined ? [] : instance.nodes.map((node) => `amqps://guest:guest@localhost:${node.ports['amqps']}`)

/** Host and port where each node serves metrics; empty without `metrics`. */
export const rabbitMqMetricsAddresses = (instance: Instance): string[] =>
  instance.metrics === true ? instance.nodes.map((node) => `127.0.0.1:${node.ports['metrics']}`) : []

/** The certificates that the clients of an instance with TLS need; undefined for others. */
export const rabbitMqCertificates = (instance: Instance): TestCertificates | undefined =>
  instance.tls === undefined ? undefined : readCertificates(tlsFolder(instance))

/** Lets an instance with TLS show another certificate from the next handshake on. */
export const presentCertificate = async (instance: Instance, name: ServerCertificate): Promise<void> => {
  if (instance.tls === undefined) throw new Error(`${instance.id} was started without tls`)
  layCertificate(instance, name)
  // Erlang keeps what it has read for two minutes.
  const forget = 'ssl:clear_pem_cache().'
  await Promise.all(instance.nodes.map((node) => rabbitMqCtl(instance, ['-n', nodeName(node), 'eval', forget])))
}

/** Runs `rabbitmqctl` against the first node (another one: `-n node2@localhost`); returns what it prints. */
export const rabbitMqCtl = (instance: Instance, args: readonly string[]): Promise<string> => {
  const node = instance.nodes[0] as InstanceNode
  const { command: program, args: entering } = enter(instance, [`${binaries}/rabbitmqctl`, ...args])
  const env = { ...serverEnvironment(instance), ...sharedVariables(instance, node) }
  return runOk(program, entering, { env, cwd: '/', timeoutMs: 120_000 })
}

/**
 * Writes the names of all queues to disk on every node. RabbitMQ does that by itself half a second after a declaration,
 * and a quorum queue whose name is not on disk when its node is killed comes back empty, even of confirmed messages
 * (measured on 3.10, 4.0 and 4.3: lost when declared 0.7 s before the kill, kept after 1.2 s; Ra's names.dets).
 */
export const syncRabbitMqDeclarations = async (instance: Instance): Promise<void> => {
  const sync = '[dets:sync(Table) || Table <- dets:all()].'
  await Promise.all(instance.nodes.map((node) => rabbitMqCtl(instance, ['-n', nodeName(node), 'eval', sync])))
}
