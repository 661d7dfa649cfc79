import type { FaultProxy } from '@posthorn/testing'
import { connect } from 'amqplib'
import { acquireRabbitMq } from '../stack/src/index.js'
import type { RabbitMqControl, RabbitMqVersion } from '../stack/src/index.js'
import type { TransportConfig } from './childLink.js'
import { directCrew } from './crew.js'
import { createProxies, directWay } from './proxies.js'
import { rabbitMqFaults } from './rabbitMqFaults.js'
import type { CreateTarget } from './target.js'
import { directFlows, flows, steadyDirectFlows } from './traffic.js'
import type { FlowKey } from './traffic.js'

const versions: readonly string[] = ['4.3', '4.0', '3.10'] satisfies readonly RabbitMqVersion[]

/** A RabbitMQ of this run alone, with one node or three. */
export const createRabbitMqTarget: CreateTarget = async ({ version = '4.3', nodes, driver, progress }) => {
  if (driver !== undefined) throw new Error('The adapter for RabbitMQ has no drivers to choose from')
  if (!versions.includes(version)) throw new Error(`There is RabbitMQ ${versions.join(', ')}, not ${version}`)
  const broker = await acquireRabbitMq({ version: version as RabbitMqVersion, nodes, fresh: true, progress })
  const { control, urls } = broker
  if (control === undefined) throw new Error('a fresh broker can be controlled')
  return {
    name: 'rabbitmq',
    version: broker.version,
    kinds: rabbitMqFaults(control, urls),
    openProxies: () => createProxies(urls),
    maxStallMs: 15_000,
    maxMoreSockets: 0,
    maxCopies: 1,
    crew: directCrew,
    steadyFlows: steadyDirectFlows,
    serversOf: (role, proxies) => ({ flows: directFlows, transport: rabbitMqConfig(proxies.of(directWay(role))) }),
    declared: () => control.syncDeclarations(),
    missing: () => missingConsumers(urls[0]!, directFlows, directCrew.consumer),
    diagnose: () => diagnoseRabbitMq(control),
    log: () => control.log(),
    close: () => broker.release(),
  }
}

/** How a process reaches the broker through proxies. Dead peers are found in seconds, so that short faults are enough to be taken for death. */
export function rabbitMqConfig(through: readonly FaultProxy[]): TransportConfig {
  return {
    kind: 'rabbitmq',
    options: {
      urls: through.map(({ url }) => url),
      heartbeatMs: 2_000,
      connectTimeoutMs: 3_000,
      reconnect: { firstMs: 100, maxMs: 1_000 },
    },
  }
}

/** What the broker knows of queues and consumers. */
export async function diagnoseRabbitMq(control: RabbitMqControl): Promise<string> {
  const queues = [
    'name',
    'messages_ready',
    'messages_unacknowledged',
    'consumers',
    'leader',
    'single_active_consumer_pid',
  ]
  const consumers = ['queue_name', 'channel_pid', 'prefetch_count', 'active', 'activity_status']
  const tables = [
    await control.ctl('list_queues', ...queues),
    await control.ctl('list_consumers', ...consumers),
    await control.ctl('list_channels', 'pid', 'connection', 'consumer_count', 'messages_unacknowledged'),
    await control.ctl('list_connections', 'pid', 'client_properties', 'state'),
  ]
  return tables.join('\n')
}

/** Queues with fewer consumers than this. */
export async function missingConsumers(url: string, keys: readonly FlowKey[], expected: number): Promise<string[]> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    const missing: string[] = []
    for (const key of keys) {
      const { contract, group, ordered } = flows[key]
      const { queue, consumerCount } = await channel.checkQueue(`${contract.destination}.${group}`)
      // Of the ordered group the broker counts the active consumer only.
      if (consumerCount < (ordered ? 1 : expected))
        missing.push(`${queue} has ${consumerCount} consumers of ${expected}`)
    }
    return missing
  } finally {
    await connection.close()
  }
}
