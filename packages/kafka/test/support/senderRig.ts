import { silentLogger } from '@posthorn/core/adapter'
import type { Transport } from '@posthorn/core/adapter'
import { createKafkaOn } from '../../src/kafka.js'
import type { KafkaOptions } from '../../src/options.js'
import { wireMessage } from './broker.js'
import { createFakeDriver } from './fakeDriver.js'
import type { FakeDriver } from './fakeDriver.js'
import { createManualClock } from './manualClock.js'
import type { ManualClock } from './manualClock.js'

/** What a `PublishError` with this code says. */
export const notSent: (code: string) => object = (code) => ({ code, outcome: 'notSent' })
export const unknown: (code: string) => object = (code) => ({ code, outcome: 'unknown' })

/** A transport on a fake cluster, with what became of each message sent. */
export interface Rig {
  readonly driver: FakeDriver
  readonly clock: ManualClock
  readonly transport: Transport
  /** Sends to `orders`, and notes what became of it. */
  send(id: string, parts?: SendParts): void
  readonly outcomes: Map<string, unknown>
}

export interface SendParts {
  readonly key?: string
  readonly body?: Buffer | null
  readonly deadline?: number
  readonly signal?: AbortSignal
  readonly topic?: string
}

export async function createRig(
  options: Partial<KafkaOptions> = {},
  topics: Record<string, number> = { orders: 1 },
): Promise<Rig> {
  const driver = createFakeDriver(topics)
  const clock = createManualClock()
  const transport = createKafkaOn({ brokers: ['kafka:9092'], ...options }, driver.createDriver)
  await transport.connect({ logger: silentLogger, clock }, [], { deadline: clock.monotonic() + 1_000 })
  const outcomes = new Map<string, unknown>()
  return {
    driver,
    clock,
    transport,
    outcomes,
    send(id, { key, body, deadline = 10_000, signal, topic = 'orders' } = {}) {
      const message = wireMessage({
        id,
        ...(key === undefined ? {} : { partitionKey: key }),
        ...(body === undefined ? {} : { body }),
      })
      const sendOptions = { deadline: clock.monotonic() + deadline, ...(signal === undefined ? {} : { signal }) }
      transport.send({ destination: topic }, message, sendOptions).then(
        () => outcomes.set(id, 'confirmed'),
        (error: unknown) => outcomes.set(id, error),
      )
    },
  }
}
