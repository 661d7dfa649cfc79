import type { Declaration, Target, Transport } from '@posthorn/core/adapter'
import { Connection } from './connection.js'
import type { CreateDriver } from './driver/driver.js'
import { createKafkajsDriver } from './driver/kafkajs/kafkajsDriver.js'
import { endedError, notConnectedError } from './errorMapping.js'
import { settingsOf } from './options.js'
import type { KafkaOptions } from './options.js'
import { topicOf, topicsOf } from './topicNames.js'

/** Kafka's own limit. */
const maxTopicLength = 249

/**
 * Makes a transport to a Kafka cluster, without I/O. What is confirmed is on all in-sync replicas; what is delivered is
 * committed only when everything before it is done. Throws a `ConfigurationError` with all problems.
 */
export function createKafka(options: KafkaOptions): Transport {
  return createKafkaOn(options, createKafkajsDriver)
}

/** The same on a driver of one's choice. */
export function createKafkaOn(options: KafkaOptions, createDriver: CreateDriver): Transport {
  const settings = settingsOf(options)
  const connection = new Connection(settings, createDriver)
  const notConnected = (target: Target): Promise<never> =>
    Promise.reject(notConnectedError(topicOf(target), 'the transport is not connected'))
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
    check: problemsOf,
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

function problemsOf({ publishes, subscriptions }: Declaration): string[] {
  const topics = new Set([...publishes, ...subscriptions.flatMap(topicsOf)])
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
