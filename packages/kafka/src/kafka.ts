import type { Declaration, Target, Transport } from '@posthorn/core/adapter'
import { Connection } from './connection.js'
import type { CreateDriver } from './driver/driver.js'
import { chooseDriver } from './driver/chooseDriver.js'
import { endedError, notConnectedError } from './errorMapping.js'
import { settingsOf } from './options.js'
import type { KafkaOptions } from './options.js'
import { createTopologyAdmin } from './topologyAdmin.js'
import type { KafkaTopology } from './topologyAdmin.js'
import type { TopologyMap } from './topologyMap.js'
import { planTopology } from './topologyPlan.js'

/** Kafka's own limit. */
const maxTopicLength = 249

/** A transport that also plans and prepares its cluster. */
export interface KafkaTransport extends Transport {
  readonly topology: KafkaTopology
}

/**
 * Makes a transport to a Kafka cluster, without I/O. What is confirmed is on all in-sync replicas; what is delivered is
 * committed only when everything before it is done. Throws a `ConfigurationError` with all problems.
 */
export function createKafka(options: KafkaOptions): KafkaTransport {
  return createKafkaOn(options, undefined)
}

/** The same on a driver of one's own. */
export function createKafkaOn(options: KafkaOptions, given: CreateDriver | undefined): KafkaTransport {
  const settings = settingsOf(options)
  const createDriver = given ?? chooseDriver(settings.driver)
  const connection = new Connection(settings, createDriver)
  const notConnected = (target: Target): Promise<never> =>
    Promise.reject(notConnectedError(settings.topology.topicOf(target), 'the transport is not connected'))
  return {
    system: 'kafka',
    capabilities: {
      routed: false,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs: undefined,
      maxBodyBytes: settings.maxBodyBytes,
      binaryPrefix: 'ce_',
    },
    topology: createTopologyAdmin(settings, createDriver),
    check: (declaration) => problemsOf(declaration, settings.topology),
    connect: (context, publishes, sendOptions) => connection.connect(context, publishes, sendOptions),
    send: (target, message, sendOptions) =>
      connection.sender?.send(target, message, sendOptions) ?? notConnected(target),
    async subscribe(subscription, onDeliveries, sendOptions) {
      const { subscriber } = connection
      if (subscriber === undefined) throw endedError(settings.brokers, 'the transport is not connected')
      return subscriber.subscribe(subscription, onDeliveries, sendOptions)
    },
    health: () => connection.health(),
    close: (deadline) => connection.close(deadline),
  }
}

function problemsOf(declaration: Declaration, map: TopologyMap): string[] {
  const topics = planTopology(declaration, map).items.map(({ topic }) => topic)
  const problems: string[] = []
  const seen = new Map<string, string>()
  for (const topic of topics) {
    if (topic.length > maxTopicLength) {
      problems.push(`topic "${topic}" has ${topic.length} characters; Kafka takes ${maxTopicLength}`)
    }
    // Kafka's metrics write both as "_", so it refuses the second one.
    const plain = topic.replaceAll('.', '_')
    const other = seen.get(plain)
    if (other !== undefined)
      problems.push(`topics "${other}" and "${topic}" differ in "." and "_" only; Kafka takes one`)
    else seen.set(plain, topic)
  }
  return problems
}
