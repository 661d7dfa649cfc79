import { createService, silentLogger } from '@posthorn/core'
import type { Logger } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { createInbox, createOutbox, createRelay, handlersWith } from '@posthorn/outbox'
import { storeConformanceCases } from '@posthorn/outbox/conformance'
import { createPostgresStore } from '@posthorn/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquirePgBouncer } from '../../../test/stack/src/index.js'
import type { PgBouncer } from '../../../test/stack/src/index.js'
import { pgSetup } from './support/conformanceSetup.js'
import { laterPool } from './support/laterPool.js'
import { createTestSchema, inTransaction } from './support/server.js'
import type { TestSchema } from './support/server.js'
import { paid, placed } from './support/orders.js'

let own: TestSchema
let bouncer: PgBouncer
/** More clients than PgBouncer has connections for. */
let pool: pg.Pool

beforeAll(async () => {
  own = await createTestSchema()
  await own.pool.query(`create table ${own.schema}.payment (order_id text not null)`)
  bouncer = await acquirePgBouncer({ upstream: own.server.url })
  pool = own.connect({ connectionString: bouncer.url, max: 30 })
})
afterAll(async () => {
  await own[Symbol.asyncDispose]()
  await bouncer.release()
})

function recordingLogger(): { readonly logger: Logger; readonly events: unknown[] } {
  const events: unknown[] = []
  const write = ({ event }: Readonly<Record<string, unknown>>): void => void events.push(event)
  const logger: Logger = { ...silentLogger, info: write, warn: write, error: write, child: () => logger }
  return { logger, events }
}

async function column(text: string): Promise<unknown[]> {
  return (await own.pool.query<{ value: unknown }>(text)).rows.map(({ value }) => value)
}

const byText = (a: string, b: string): number => a.localeCompare(b)

describe('the store behind PgBouncer in transaction mode', () => {
  const promises = new Set(['transactions', 'exactMessages', 'refusedHandles', 'fences', 'listening', 'inboxRaces'])
  const setup = { ...pgSetup(laterPool(() => pool)), listens: false }
  for (const { promise, title, run } of storeConformanceCases(setup)) {
    if (promises.has(promise)) test(`${promise}: ${title}`, run)
  }
})

describe('outbox, relay and inbox behind PgBouncer in transaction mode', () => {
  test('carry what is committed, each effect once, by polling alone, which is told once', async () => {
    const store = createPostgresStore({ pool, schema: own.schema })
    const outbox = createOutbox({ source: '/shop', store })
    const { logger, events } = recordingLogger()
    const broker = createMemoryBroker()
    const service = createService({ source: '/billing', transport: createMemory({ broker }), logger: silentLogger })
    const inbox = createInbox({ store, outbox: createOutbox({ source: '/billing', store }) })
    const handler = handlersWith(inbox).on(placed, async ({ data }, { tx, publish }) => {
      await tx.query(`insert into ${own.schema}.payment (order_id) values ($1)`, [data.orderId])
      await publish(paid, data)
    })
    service.attach(inbox)
    service.consume('billing', { handlers: [handler], concurrency: 16 })
    await service.start()
    const transport = createMemory({ broker })
    const relay = createRelay({ store, transport, logger, pollIntervalMs: 50 })
    await relay.start()

    const numbers = Array.from({ length: 200 }, (_, index) => index)
    await Promise.all(
      numbers.map((number) =>
        inTransaction(
          pool,
          (client) => outbox.publish(client, placed, { orderId: `o-${number}` }),
          number % 5 === 0 ? 'rollback' : 'commit',
        ),
      ),
    )
    const committed = numbers.filter((number) => number % 5 !== 0).map((number) => `o-${number}`)
    const payments = (): Promise<unknown[]> => column(`select order_id as value from ${own.schema}.payment`)
    await expect.poll(async () => (await payments()).length).toBeGreaterThanOrEqual(committed.length)
    const waiting = (): Promise<unknown[]> => column(`select event_id as value from ${own.schema}.outbox`)
    await expect.poll(waiting).toEqual([])
    await expect.poll(() => relay.health().listener).toBe('polling')
    await expect.poll(() => events.filter((event) => event === 'relay.polling')).toHaveLength(1)
    expect((await payments()).map(String).toSorted(byText)).toEqual(committed.toSorted(byText))
    expect(relay.health()).toMatchObject({ ready: true, published: 2 * committed.length, parkedKeys: 0 })
    expect(relay.health().counts).toMatchObject({ listenersLost: 0, storeFailures: 0 })
    expect(events).not.toContain('relay.listener')

    await relay.stop()
    await service.stop()
    broker.close()
  })
})

describe('a listener behind PgBouncer', () => {
  test('in session mode hears of commits', async () => {
    const session = own.connect({ connectionString: bouncer.sessionUrl, max: 2 })
    const store = createPostgresStore({ pool: session, schema: own.schema })
    let hints = 0
    const listener = await store.listen({ onHint: () => void (hints += 1), onLost: () => {} })
    expect(listener).toBeDefined()
    const before = hints
    await session.query(`select pg_notify('${own.schema}_outbox', '')`)
    await expect.poll(() => hints).toBe(before + 1)
    await store.close()
  })
})
