import { silentLogger, systemClock } from '@posthorn/core/adapter'
import type { Logger, Transport } from '@posthorn/core/adapter'
import { expect } from 'vitest'
import { createKafka } from '../../src/kafka.js'
import type { KafkaOptions } from '../../src/options.js'
import { chosenDriver, collect, inMs, send, subscriptionTo, uniqueName, wireMessage } from './broker.js'

/** The secret that must not be seen anywhere. */
export const secret = 'geheim-4711'

/** Transports of a test, everything that they logged, and their end. */
export interface SecureBench {
  readonly logged: string[]
  transport(options: KafkaOptions): Transport
  /** Connects, which must fail long before its deadline. */
  failureOf(options: KafkaOptions, deadlineMs?: number): Promise<Error>
  connected(options: KafkaOptions, publishes?: readonly string[]): Promise<Transport>
  close(): Promise<void>
}

export function createSecureBench(): SecureBench {
  const transports: Transport[] = []
  const logged: string[] = []
  const record: Logger['info'] = (facts, message) => void logged.push(shown(facts) + message)
  const logger: Logger = {
    ...silentLogger,
    debug: record,
    info: record,
    warn: record,
    error: record,
    child: () => logger,
  }
  const context = { logger, clock: systemClock }

  function transport(options: KafkaOptions): Transport {
    const made = createKafka({ ...chosenDriver(), sessionTimeoutMs: 6_000, partitions: 2, ...options })
    transports.push(made)
    return made
  }

  return {
    logged,
    transport,
    async failureOf(options, deadlineMs = 120_000) {
      const before = performance.now()
      const error: unknown = await transport(options)
        .connect(context, [], { deadline: inMs(deadlineMs) })
        .catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(Error)
      // Nothing of this passes by itself.
      if (deadlineMs === 120_000) expect(performance.now() - before).toBeLessThan(60_000)
      expect(shown(error)).not.toContain(secret)
      expect(logged.join('\n')).not.toContain(secret)
      return error as Error
    },
    async connected(options, publishes = []) {
      const made = transport(options)
      await made.connect(context, publishes, { deadline: inMs(60_000) })
      return made
    },
    async close() {
      await Promise.all(transports.splice(0).map((made) => made.close(inMs(10_000))))
      expect(logged.join('\n')).not.toContain(secret)
      logged.length = 0
    },
  }
}

/** Everything that a person could see of an error or of what is logged, causes included. */
export function shown(value: unknown): string {
  if (!(value instanceof Error)) {
    const inner = typeof value === 'object' && value !== null ? Object.values(value).map(shown).join(' ') : ''
    return `${JSON.stringify(value)} ${inner}`
  }
  return `${value.name} ${value.message} ${value.stack} ${JSON.stringify(value)} ${shown(value.cause)}`
}

/** Something published there comes back. */
export async function roundTrip(transport: Transport): Promise<void> {
  const orders = uniqueName('secure')
  const collected = await collect(transport, { subscription: subscriptionTo(orders) })
  await send(transport, orders, wireMessage({ id: 'm-1', partitionKey: 'k' }))
  await collected.until(({ texts }) => texts.includes('m-1'))
}
