import type { Transport } from '@posthorn/core/adapter'
import { Broker } from './broker.js'
import { Connection } from './connection.js'
import { brokerOf } from './memoryBroker.js'
import type { MemoryBroker } from './memoryBroker.js'
import { memoryProblems, normalise, refuseProblems } from './options.js'
import type { MemoryBrokerOptions } from './options.js'

/** Either a shared broker, or the options of a broker of its own. */
export interface MemoryOptions extends MemoryBrokerOptions {
  /**
   * The broker to connect to, when several services of one process talk to each other or a test looks into the queues;
   * the other options are then its own. @default a new one, closed together with the transport
   */
  readonly broker?: MemoryBroker
}

/** The longest body: RabbitMQ's former limit, far above what a message should have. */
const maxBodyBytes = 128 * 1024 * 1024

/**
 * Makes a transport to an in-process broker, without I/O. It keeps the promises of the transports to real brokers, but
 * nothing outlives the process. Bodies are kept as given, not copied: do not change one after `send`.
 * Throws a `ConfigurationError` with all problems.
 */
export function createMemory(options: MemoryOptions = {}): Transport {
  refuseProblems(
    'createMemory',
    memoryProblems(options, (value) => brokerOf(value) !== undefined),
  )
  const shared = brokerOf(options.broker)
  const broker = shared ?? new Broker(normalise(options))
  const longestBody = Math.min(maxBodyBytes, broker.limits.maxBytes)
  const connection = new Connection(broker, longestBody)
  return {
    system: 'memory',
    capabilities: {
      routed: true,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs: undefined,
      maxBodyBytes: longestBody,
      // There is no binding for memory; the shorter of the two prefixes.
      binaryPrefix: 'ce_',
    },
    // Everything that can be declared is honoured.
    check: () => [],
    // Destinations need not exist: one that nobody listens to takes nothing, which the receipt says.
    connect: (context, _publishes, sendOptions) => connection.connect(context, sendOptions),
    send: (target, message, sendOptions) => connection.send(target, message, sendOptions),
    subscribe: (subscription, onDeliveries, sendOptions) =>
      connection.subscribe(subscription, onDeliveries, sendOptions),
    health: () => connection.health(),
    // Nothing that is closed here waits, so the deadline is always kept.
    async close() {
      await connection.close()
      if (shared === undefined) broker.close()
    },
  }
}
