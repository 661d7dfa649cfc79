import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerCertificate } from './certificates.js'
import { installKafka } from './installKafka.js'
import { nodeFolder, type Instance, type InstanceNode } from './instances.js'
import {
  changeCertificate,
  prepareCertificates,
  scramArguments,
  secureListeners,
  securePorts,
  secureProtocols,
  securityLines,
  showsCertificate,
} from './kafkaSecurity.js'
import { onLoopback, probeKafka } from './probes.js'
import type { Progress } from './progress.js'
import { run, runOk, type RunResult } from './run.js'
import { serverEnvironment, type ServerCommand, type ServerKind } from './server.js'
import type { KafkaVersion } from './targets.js'

const brokerPort = (node: InstanceNode): number => node.ports['broker'] as number
const controllerPort = (node: InstanceNode): number => node.ports['controller'] as number

const propertiesOf = (instance: Instance, node: InstanceNode): string => {
  const { nodes } = instance
  const cluster = nodes.length > 1
  const copies = nodes.length
  const inSync = cluster ? 2 : 1
  const plain = `PLAINTEXT://127.0.0.1:${brokerPort(node)}`
  const bound = [
    plain,
    `CONTROLLER://127.0.0.1:${controllerPort(node)}`,
    ...secureListeners(instance, node, '127.0.0.1'),
  ]
  const protocols = ['CONTROLLER:PLAINTEXT', 'PLAINTEXT:PLAINTEXT', ...secureProtocols(instance)]
  return [
    'process.roles=broker,controller',
    `node.id=${node.index}`,
    `controller.quorum.voters=${nodes.map((peer) => `${peer.index}@127.0.0.1:${controllerPort(peer)}`).join(',')}`,
    `listeners=${bound.join(',')}`,
    `advertised.listeners=${[plain, ...secureListeners(instance, node, 'localhost')].join(',')}`,
    'controller.listener.names=CONTROLLER',
    `listener.security.protocol.map=${protocols.join(',')}`,
    `log.dirs=${join(nodeFolder(instance, node), 'data')}`,
    `auto.create.topics.enable=${instance.autoCreateTopics === true}`,
    'group.initial.rebalance.delay.ms=0',
    'offsets.topic.num.partitions=8',
    `offsets.topic.replication.factor=${copies}`,
    'transaction.state.log.num.partitions=8',
    `transaction.state.log.replication.factor=${copies}`,
    `transaction.state.log.min.isr=${inSync}`,
    ...(instance.version.startsWith('3.')
      ? []
      : [
          `share.coordinator.state.topic.replication.factor=${copies}`,
          `share.coordinator.state.topic.min.isr=${inSync}`,
        ]),
    // Quick changes of the leader when a broker dies.
    ...(cluster ? ['min.insync.replicas=2', 'default.replication.factor=3', 'broker.session.timeout.ms=6000'] : []),
    ...securityLines(instance),
    '',
  ].join('\n')
}

interface Logging {
  readonly level: string
  readonly target: 'out' | 'err'
}

const layout = '%d %p %m (%c)%n'

/** Kafka 3 logs through log4j 1's successor, Kafka 4 through log4j 2. */
const loggingOf = (instance: Instance, { level, target }: Logging): string =>
  (instance.version.startsWith('3.')
    ? [
        `log4j.rootLogger=${level}, console`,
        'log4j.appender.console=org.apache.log4j.ConsoleAppender',
        `log4j.appender.console.target=System.${target}`,
        'log4j.appender.console.layout=org.apache.log4j.PatternLayout',
        `log4j.appender.console.layout.ConversionPattern=${layout}`,
      ]
    : [
        'appender.console.type=Console',
        'appender.console.name=console',
        `appender.console.target=SYSTEM_${target.toUpperCase()}`,
        'appender.console.layout.type=PatternLayout',
        `appender.console.layout.pattern=${layout}`,
        `rootLogger.level=${level}`,
        'rootLogger.appenderRef.console.ref=console',
      ]
  ).join('\n') + '\n'

const javaArgs = (instance: Instance, logging: string, options: readonly string[]): string[] => [
  ...options,
  // What a JVM that is killed would leave in /tmp: its performance counters, and the native libraries of the codecs.
  '-XX:-UsePerfData',
  `-Djava.io.tmpdir=${instance.folder}`,
  `-Dlog4j2.configurationFile=file:${join(instance.folder, logging)}`,
  `-Dlog4j.configuration=file:${join(instance.folder, logging)}`,
  '-cp',
  join(instance.installed, 'libs', '*'),
]

// They run for a second or two: quick to start matters more than quick in the end.
const toolOptions = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

const prepare = async (instance: Instance, progress: Progress): Promise<void> => {
  await prepareCertificates(instance, progress)
  writeFileSync(join(instance.folder, 'broker.properties'), loggingOf(instance, { level: 'INFO', target: 'out' }))
  writeFileSync(join(instance.folder, 'tool.properties'), loggingOf(instance, { level: 'WARN', target: 'err' }))
  const clusterId = newClusterId()
  await Promise.all(
    instance.nodes.map((node) => {
      const file = join(nodeFolder(instance, node), 'server.properties')
      writeFileSync(file, propertiesOf(instance, node))
      const args = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', file, ...scramArguments(instance)]
      return runOk('java', [...javaArgs(instance, 'tool.properties', toolOptions), ...args], {
        env: serverEnvironment(instance),
      })
    }),
  )
}

const command = (instance: Instance, node: InstanceNode): ServerCommand => ({
  command: 'java',
  args: [
    ...javaArgs(instance, 'broker.properties', ['-Xmx512m', '-Djava.awt.headless=true']),
    'kafka.Kafka',
    join(nodeFolder(instance, node), 'server.properties'),
  ],
})

/** As `random-uuid` makes them: 16 bytes in base64url. Its first character must not be a dash, which reads as an option. */
const newClusterId = (): string => {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0] as number) & 0x7f
  return bytes.toString('base64url')
}

export const kafkaServer: ServerKind = {
  portNames: { shared: [], perNode: ['broker', 'controller', ...securePorts] },
  install: (version, progress) => installKafka(version as KafkaVersion, progress),
  prepare,
  command,
  // A broker answers before it is registered; clients need it to be in the list.
  answers: async (_instance, node) => (await probeKafka(onLoopback(brokerPort(node))))?.includes(node.index) ?? false,
}

export const kafkaBrokers = (instance: Instance): string[] =>
  instance.nodes.map((node) => `127.0.0.1:${brokerPort(node)}`)

/** Runs one of Kafka's own Java tools, such as `org.apache.kafka.tools.TopicCommand`; any exit code is a result. */
export const kafkaTool = (
  instance: Instance,
  mainClass: string,
  args: readonly string[],
  options: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<RunResult> =>
  run('java', [...javaArgs(instance, 'tool.properties', toolOptions), mainClass, ...args], {
    timeoutMs: 60_000,
    ...options,
    env: serverEnvironment(instance),
  })

/** Lets an instance with TLS show another certificate from the next handshake on. */
export const presentKafkaCertificate = async (instance: Instance, name: ServerCertificate): Promise<void> => {
  for (const node of instance.nodes) {
    await changeCertificate(instance, node, name)
    // The broker answers before it does what it was told.
    while (!(await showsCertificate(instance, node, name))) await sleep(20)
  }
}
