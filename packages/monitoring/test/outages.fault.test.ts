import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { Service, Transport } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createMemory } from '@posthorn/memory'
import { createRelay } from '@posthorn/outbox'
import { createPostgresStore, migrate } from '@posthorn/postgres'
import { createRabbitMq } from '@posthorn/rabbitmq'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { acquireKafka, acquirePostgres, acquireRabbitMq } from '../../../test/stack/src/index.js'
import type { Monitoring } from '../src/index.js'
import { get, served } from './fixtures.js'

const noted = defineEvent({ type: 'com.example.noted.v1', destination: 'notes', schema: { type: 'object' } })
const outage = { timeout: 300_000 }

async function running(transport: Transport): Promise<Service> {
  const service = createService({ source: '/test', transport, logger: silentLogger, publishes: [noted] })
  service.consume('readers', { handlers: [on(noted, () => {})] })
  await service.start({ deadlineMs: 120_000 })
  return service
}

/** Resolves when `/readyz` answers so; `/livez` says 200 all the while. */
async function becomes(monitoring: Monitoring, status: number, code?: string): Promise<void> {
  await expect
    .poll(
      async () => {
        expect((await get(monitoring, '/livez')).status).toBe(200)
        const { status: answered, body } = await get(monitoring, '/readyz')
        const codes = (body['reasons'] as { code: string }[]).map((reason) => reason.code)
        return answered === status && (code === undefined || codes.includes(code))
      },
      { timeout: 120_000 },
    )
    .toBe(true)
}

describe('the probes of a process', () => {
  test('on RabbitMQ say not ready, and live, in a memory alarm and while the broker is dead', outage, async () => {
    const broker = await acquireRabbitMq({ fresh: true })
    const service = await running(createRabbitMq({ urls: broker.urls, reconnect: { maxMs: 500 } }))
    try {
      const monitoring = await served({ subjects: { service } })
      await becomes(monitoring, 200)
      await broker.control!.ctl('set_vm_memory_high_watermark', '0.0001')
      const publishing = service.publish(noted, {})
      await becomes(monitoring, 503, 'blocked')
      await broker.control!.ctl('set_vm_memory_high_watermark', '0.4')
      await publishing
      await becomes(monitoring, 200)
      await broker.control!.syncDeclarations()
      await broker.control!.kill()
      await becomes(monitoring, 503, 'connecting')
      await broker.control!.start()
      await becomes(monitoring, 200)
    } finally {
      await service.stop({ deadlineMs: 10_000 })
      await broker.release()
    }
  })

  test('on Kafka say not ready, and live, while the brokers are dead', outage, async () => {
    const kafka = await acquireKafka({ fresh: true })
    const service = await running(createKafka({ brokers: kafka.brokers }))
    try {
      const monitoring = await served({ subjects: { service } })
      await becomes(monitoring, 200)
      await kafka.control!.kill()
      service.publish(noted, {}).catch(() => {})
      await becomes(monitoring, 503)
      await kafka.control!.start()
      await becomes(monitoring, 200)
    } finally {
      await service.stop({ deadlineMs: 10_000 })
      await kafka.release()
    }
  })

  test('of a relay say not ready, and live, while its database is dead', outage, async () => {
    const postgres = await acquirePostgres({ fresh: true })
    const pool = new pg.Pool({ connectionString: postgres.url })
    pool.on('error', () => {})
    await migrate(pool)
    const store = createPostgresStore({ pool, timeoutMs: 2_000 })
    const relay = createRelay({ store, transport: createMemory(), logger: silentLogger, leaseMs: 1_000 })
    try {
      const monitoring = await served({ subjects: { relay } })
      await becomes(monitoring, 503, 'notStarted')
      await relay.start()
      await becomes(monitoring, 200)
      await postgres.control!.kill()
      await becomes(monitoring, 503, 'databaseAway')
      await postgres.control!.start()
      await becomes(monitoring, 200)
    } finally {
      await relay.stop({ deadlineMs: 10_000 })
      await store.close()
      await pool.end()
      await postgres.release()
    }
  })
})
