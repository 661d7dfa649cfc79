import { systemClock } from '@posthorn/core'
import type { Subscription } from '@posthorn/core/adapter'
import { createKafka } from '@posthorn/kafka'
import { createMemory } from '@posthorn/memory'
import { createRelay } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import { createRabbitMq } from '@posthorn/rabbitmq'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kafkaSetup } from '../conformance/kafkaSetup.js'
import { rabbitMqSetup } from '../conformance/rabbitMqSetup.js'
import { acquireKafka, acquirePostgres, acquireRabbitMq, variableNames } from '../stack/src/index.js'
import type { Kafka, Postgres, RabbitMq } from '../stack/src/index.js'
import { createLines, expectCleanDeadLetter, expectCleanStart, group, secret } from './plantedSecrets.js'

let rabbitMq: RabbitMq
let kafka: Kafka
let postgres: Postgres

beforeAll(async () => {
  ;[rabbitMq, kafka, postgres] = await Promise.all([acquireRabbitMq(), acquireKafka(), acquirePostgres()])
  process.env[variableNames.rabbitmq] ??= rabbitMq.urls.join(',')
  process.env[variableNames.kafka] ??= kafka.brokers.join(',')
})
afterAll(() => Promise.all([rabbitMq, kafka, postgres].map((server) => server?.release())))

/** The same address, with other credentials. */
function withPassword(address: string, user = 'somebody'): string {
  const url = new URL(address)
  url.username = user
  url.password = secret
  return url.href
}

/** The queues that the one group had. */
const workOf = (destination: string): Subscription => ({
  destination,
  group,
  source: 'work',
  types: 'all',
  rungsMs: [],
  ordered: false,
  maxInFlight: 1,
  maxInFlightBytes: 1,
})

describe('on RabbitMQ', () => {
  test('what handlers get and say never reaches the log', async () => {
    const destination = await expectCleanDeadLetter(createRabbitMq({ urls: rabbitMq.urls }))
    const { discard } = await rabbitMqSetup()
    await discard?.({ destinations: [destination], subscriptions: [workOf(destination)] })
  })

  test.each([
    ['a wrong password', () => withPassword(rabbitMq.urls[0]!, 'guest')],
    ['nobody at the address', () => `amqp://guest:${secret}@127.0.0.1:9`],
  ])('%s never reaches the log', async (_, url) => {
    await expectCleanStart(createRabbitMq({ urls: [url()] }), 'rabbitmq.connect')
  })

  test('what the function for credentials says never reaches the log', async () => {
    const url = new URL(rabbitMq.urls[0]!)
    url.username = url.password = ''
    const credentials = (): never => {
      throw new Error(`vault https://shop:${secret}@vault.example refused token=${secret}`)
    }
    await expectCleanStart(createRabbitMq({ urls: [url.href], credentials }), 'rabbitmq.connect')
  })
})

describe('on Kafka', () => {
  test('what handlers get and say never reaches the log', async () => {
    const destination = await expectCleanDeadLetter(createKafka({ brokers: kafka.brokers, partitions: 1 }))
    await kafkaSetup('kafkajs').discard?.({ destinations: [destination], subscriptions: [] })
  })

  const sasl = { mechanism: 'plain', username: 'somebody', password: secret } as const
  test.each(['kafkajs', 'platformatic'] as const)('a login that fails never reaches the log (%s)', async (driver) => {
    const lines = createLines()
    const transport = createKafka({ brokers: kafka.brokers, driver, sasl, connectTimeoutMs: 2_000 })
    const deadline = performance.now() + 10_000
    const failed = await transport
      .connect({ logger: lines.logger, clock: systemClock }, ['logs-never-made'], { deadline })
      .catch((error: unknown) => error)
    await transport.close(performance.now() + 5_000)
    expect(failed).toMatchObject({ code: expect.stringMatching(/^POSTHORN_/) as string })
    lines.logger.warn({ event: 'test.failed', err: failed }, 'what a user may log of it')
    lines.expectClean('test.failed')
  })

  test('nobody at the address never reaches the log', async () => {
    await expectCleanStart(createKafka({ brokers: ['127.0.0.1:9'], sasl, connectTimeoutMs: 1_000 }), 'start.waiting')
  })
})

describe('on PostgreSQL', () => {
  test.each([
    ['a wrong user and password', () => withPassword(postgres.url)],
    ['nobody at the address', () => `postgres://shop:${secret}@127.0.0.1:9/shop`],
  ])('%s never reaches the log', async (_, url) => {
    const lines = createLines()
    const pool = new pg.Pool({ connectionString: url(), connectionTimeoutMillis: 2_000 })
    const store = createPostgresStore({ pool })
    const relay = createRelay({ store, transport: createMemory(), logger: lines.logger })
    const starting = relay.start({ ifUnavailable: 'wait', deadlineMs: 2_000 }).catch((error: unknown) => error)
    const isTold = (): boolean => lines.records().some(({ event }) => event === 'start.waiting')
    await expect
      .poll(async () => isTold() || (await Promise.race([starting, Promise.resolve('waiting')])) !== 'waiting')
      .toBe(true)
    await relay.stop()
    await store.close()
    await pool.end()
    const failed = await starting
    expect(failed).toBeInstanceOf(Error)
    lines.logger.warn({ event: 'test.failed', err: failed }, 'what a user may log of it')
    lines.expectClean('test.failed')
  })
})
