import kafkajs from 'kafkajs'
import type { Kafka, LogEntry, RetryOptions } from 'kafkajs'
import { shuffled } from '../../shuffled.js'
import type { DriverSettings } from '../driver.js'
import { connectionsOf, queueOf, watchClusters, watchPools } from './kafkajsInternals.js'
import { quietQueue } from './quietQueue.js'
import { mechanismOf } from './kafkajsLogin.js'
import { createSocketRegistry } from './socketRegistry.js'
import type { SocketRegistry } from './socketRegistry.js'
import { tidyConnection } from './tidyConnection.js'

/** A kafkajs client for one purpose, with sockets of its own. */
export interface KafkajsClient {
  readonly kafka: Kafka
  readonly sockets: SocketRegistry
}

export interface ClientOptions {
  /** Attempts of kafkajs beyond the first, within one call. */
  readonly retries: number
  /** Told about each record of its log. */
  readonly onLog?: (entry: LogEntry) => void
}

/**
 * Every number is given: without them kafkajs takes others when NODE_ENV is `test`. Waits are short, since ours begin
 * after them.
 */
export function retryOptions(retries: number): RetryOptions {
  return { retries, initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2 }
}

export function createKafkajsClient(settings: DriverSettings, options: ClientOptions): KafkajsClient {
  const sockets = createSocketRegistry()
  const kafka = new kafkajs.Kafka({
    brokers: shuffled(settings.brokers),
    clientId: settings.clientId,
    ssl: settings.tls,
    // A new object for every client: kafkajs writes into it.
    ...(settings.login === undefined ? {} : { sasl: mechanismOf(settings.login) }),
    connectionTimeout: settings.connectTimeoutMs,
    authenticationTimeout: settings.connectTimeoutMs,
    requestTimeout: settings.requestTimeoutMs,
    enforceRequestTimeout: true,
    retry: retryOptions(options.retries),
    socketFactory: sockets.factory,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => {
      options.onLog?.(entry)
      log(settings, entry)
    },
  })
  watchClusters(kafka, (cluster) =>
    watchPools(cluster, (pool) => {
      for (const connection of connectionsOf(pool)) {
        tidyConnection(connection)
        quietQueue(queueOf(connection))
      }
    }),
  )
  return { kafka, sockets }
}

/** kafkajs writes an error for every attempt that it repeats; what matters, we log where we act on it. */
function log({ logger }: DriverSettings, { namespace, log: { message, error, groupId, broker } }: LogEntry): void {
  logger.debug({ event: 'kafka.client', namespace, reason: said(error), groupId, broker }, message)
}

function said(error: unknown): string | undefined {
  return error instanceof Error ? error.message : typeof error === 'string' ? error : undefined
}
