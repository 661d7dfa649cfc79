import type { WireMessage } from '@posthorn/core/adapter'
import { Broker } from './broker.js'
import { brokerProblems, normalise, refuseProblems } from './options.js'
import type { MemoryBrokerOptions } from './options.js'
import type { StoredMessage } from './storedMessage.js'

/** One queue at one moment. */
export interface MemoryQueue {
  /** `orders.billing`, `orders.billing.retry.5000` or `orders.billing.dead`. */
  readonly name: string
  /** Messages that wait: for a member, or for the end of their delay. */
  readonly ready: number
  /** Messages that members have and did not settle. */
  readonly unsettled: number
  /** Subscriptions that it delivers to. */
  readonly members: number
}

/** A message in a queue, as it was sent. */
export interface MemoryQueueMessage extends WireMessage {
  /** How often a connection was lost while the message was unsettled. */
  readonly brokerRedeliveries: number
}

/** A broker in this process, to be shared by several transports and looked into by tests. */
export interface MemoryBroker {
  /** Every queue that a subscription declared. */
  queues(): readonly MemoryQueue[]
  /** The ready messages of a queue in order (of an ordered group: in order within each partition); none if unknown. */
  peek(name: string): readonly MemoryQueueMessage[]
  /**
   * Breaks every connection, as a network does: unsettled deliveries become stale and are delivered again, counted;
   * sends without confirmation reject with the outcome `unknown`. Transports reconnect by themselves.
   */
  dropConnections(): void
  /** Breaks every connection and cannot be reached until `up()`. Queues keep their messages; delays go on. */
  down(): void
  /** Can be reached again; transports reconnect, and sends that wait go out in their order. */
  up(): void
  /** True after `down()` and after `close()`. */
  readonly stopped: boolean
  /** Forgets all queues and stops all timers; idempotent. Transports on it stay unconnected for ever. */
  close(): void
}

/** How transports reach the broker behind the object; not public. */
const inside: unique symbol = Symbol('posthorn.memory.broker')

/**
 * Makes a broker without I/O and without a timer. Who makes it closes it: transports that share it do not.
 * Throws a `ConfigurationError` with all problems.
 */
export function createMemoryBroker(options: MemoryBrokerOptions = {}): MemoryBroker {
  refuseProblems('createMemoryBroker', brokerProblems(options))
  const broker = new Broker(normalise(options))
  const memoryBroker: MemoryBroker & { readonly [inside]: Broker } = {
    [inside]: broker,
    queues: () =>
      Array.from(broker.queues(), ({ name, ready, unsettled, members }) => ({ name, ready, unsettled, members })),
    peek(name) {
      for (const queue of broker.queues()) if (queue.name === name) return queue.messages().map(describe)
      return []
    },
    dropConnections: () => broker.dropConnections(),
    down: () => broker.setReachable(false),
    up: () => broker.setReachable(true),
    get stopped() {
      return !broker.reachable
    },
    close: () => broker.close(),
  }
  return memoryBroker
}

/** The broker behind what `createMemoryBroker` made; undefined for everything else. */
export function brokerOf(value: unknown): Broker | undefined {
  return (value as { readonly [inside]?: Broker } | undefined)?.[inside]
}

function describe(stored: StoredMessage): MemoryQueueMessage {
  const { body, headers, contentType, id, type, partitionKey, redeliveries } = stored
  const message = { body, headers, contentType, id, type, brokerRedeliveries: redeliveries }
  return partitionKey === undefined ? message : { ...message, partitionKey }
}
