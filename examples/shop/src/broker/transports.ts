import type { Transport } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { ShopError } from '../shopError.js'
import { addressVariables, stackAddress } from './stackAddress.js'

export const transportNames = ['memory', 'rabbitmq', 'kafka'] as const
export type TransportName = (typeof transportNames)[number]

/** Which broker, and where; addresses are comma-separated lists. */
export interface BrokerChoice {
  readonly transport: TransportName
  readonly url?: string | undefined
  readonly brokers?: string | undefined
  /**
   * Kafka gives the partitions of a process that was killed to others after so long, in milliseconds; brokers allow no less than
   * 6,000. @default 10_000
   */
  readonly sessionTimeoutMs?: number | undefined
}

/** A demo should not wait for longer. */
const defaultSessionTimeoutMs = 10_000

/** Makes a transport of its own for each service; all of them reach one broker. */
export interface Transports {
  readonly name: TransportName
  create(): Transport
  /** How another process finds the same broker; undefined where none can. */
  readonly remote?: BrokerChoice | undefined
  /** Breaks every connection to a broker in this process, as a network does. */
  readonly dropConnections?: (() => void) | undefined
  /** For what lives in this process; to be called after the services have stopped. */
  close(): void
}

/**
 * Finds the broker's address: the option, else the environment, else what `npm run stack` started. Throws
 * `SHOP_NO_BROKER`, which says what to do. Nothing is connected yet.
 */
export async function findTransports(choice: BrokerChoice): Promise<Transports> {
  const { transport: name, sessionTimeoutMs = defaultSessionTimeoutMs } = choice
  if (name === 'memory') return memoryTransports()
  const option = name === 'rabbitmq' ? '--url' : '--brokers'
  const given = name === 'rabbitmq' ? choice.url : choice.brokers
  const address = given || process.env[addressVariables[name]] || (await stackAddress(name))
  if (!address) {
    throw new ShopError(
      'SHOP_NO_BROKER',
      `No address of ${name}: start one with \`npm run stack -- up ${name}\`, ` +
        `or give ${option} or the variable ${addressVariables[name]}`,
    )
  }
  const list = address.split(',').map((part) => part.trim()).filter((part) => part !== '') // prettier-ignore
  const create =
    name === 'rabbitmq' ? () => createRabbitMq({ urls: list }) : () => createKafka({ brokers: list, sessionTimeoutMs })
  const found = name === 'rabbitmq' ? { url: address } : { brokers: address }
  const remote = { transport: name, ...found, sessionTimeoutMs }
  return { name, create, remote, close: () => {} }
}

function memoryTransports(): Transports {
  const broker = createMemoryBroker()
  return {
    name: 'memory',
    create: () => createMemory({ broker }),
    dropConnections: () => broker.dropConnections(),
    close: () => broker.close(),
  }
}
