import { createService, silentLogger } from '@posthorn/core'
import type { HandlerRegistration, Service } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import type { MemoryBroker } from '@posthorn/memory'
import { createInbox, createOutbox, handlersWith } from '@posthorn/outbox'
import type { Inbox, InboxStore, OutboxFollowUpOptions } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import type { PgClient, PostgresStore } from '@posthorn/postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestSchema } from './support/server.js'
import type { TestSchema } from './support/server.js'
import { paid, placed } from './support/orders.js'

let own: TestSchema
let store: PostgresStore<PgClient>
let broker: MemoryBroker
let services: Service[] = []

beforeAll(async () => {
  own = await createTestSchema()
  await own.pool.query(`create table ${own.schema}.payment (order_id text not null)`)
  store = createPostgresStore({ pool: own.connect({ max: 20 }), schema: own.schema }) as typeof store
})
beforeEach(() => {
  broker = createMemoryBroker()
})
afterEach(async () => {
  await Promise.all(services.map((service) => service.stop()))
  services = []
  broker.close()
  await own.pool.query(`truncate ${own.schema}.payment, ${own.schema}.outbox, ${own.schema}.inbox`)
})
afterAll(() => own[Symbol.asyncDispose]())

const inboxOn = (inboxStore: InboxStore<PgClient>): Inbox<PgClient, OutboxFollowUpOptions> => {
  const outbox = createOutbox({ source: '/billing', store })
  return createInbox({ store: inboxStore, outbox, maintenanceIntervalMs: 0 })
}

async function start(handler: HandlerRegistration, concurrency = 16): Promise<Service> {
  const service = createService({ source: '/shop', transport: createMemory({ broker }), logger: silentLogger })
  service.consume('billing', { handlers: [handler], concurrency, retry: { delaysMs: [0, 0] } })
  services.push(service)
  await service.start()
  return service
}

async function pay(tx: PgClient, orderId: string): Promise<void> {
  await tx.query(`insert into ${own.schema}.payment (order_id) values ($1)`, [orderId])
}

const column = async (text: string): Promise<unknown[]> =>
  (await own.pool.query<{ value: unknown }>(text)).rows.map(({ value }) => value)
const payments = (): Promise<unknown[]> => column(`select order_id as value from ${own.schema}.payment order by 1`)
const remembered = (): Promise<unknown[]> => column(`select count(*)::int as value from ${own.schema}.inbox`)
const stored = (): Promise<unknown[]> => column(`select event_id as value from ${own.schema}.outbox order by id`)

/** Nothing left in the queue, and nothing under way. */
const idle = (): Promise<void> =>
  expect
    .poll(() => broker.queues().map(({ ready, unsettled }) => ready + unsettled))
    .toSatisfy((left: number[]) => left.length > 0 && left.every((count) => count === 0))

describe('handlers with an inbox on PostgreSQL', () => {
  test('the same message to eight consumers at once has its effect once', async () => {
    let open!: () => void
    const allAsked = new Promise<void>((resolve) => (open = resolve))
    let asked = 0
    let calls = 0
    const inbox = inboxOn({
      transaction: (work) => store.transaction(work),
      remember: (tx, keys) => {
        if ((asked += 1) === 8) open()
        return store.remember(tx, keys)
      },
      maintain: () => store.maintain(),
    })
    const handler = handlersWith(inbox).on(placed, async ({ data }, { tx, publish }) => {
      calls += 1
      await pay(tx, data.orderId)
      await publish(paid, data)
      await allAsked
    })
    const consumers = await Promise.all(Array.from({ length: 8 }, () => start(handler, 1)))
    await Promise.all(consumers.map((service) => service.publish(placed, { orderId: 'o-1' }, { id: 'm-1' })))
    await idle()
    expect({ asked, calls }).toEqual({ asked: 8, calls: 1 })
    expect(await payments()).toEqual(['o-1'])
    expect(await stored()).toHaveLength(1)
    expect(inbox.health()).toMatchObject({ handled: 1, duplicates: 7 })
  })

  test('a handler that throws after everything is written leaves nothing, and its retry writes the same once', async () => {
    const ids: string[] = []
    const inbox = inboxOn(store)
    const handler = handlersWith(inbox).on(placed, async ({ data }, { tx, publish, attempt }) => {
      await pay(tx, data.orderId)
      ids.push((await publish(paid, data)).id)
      if (attempt > 1) return
      expect([await payments(), await remembered(), await stored()]).toEqual([[], [0], []])
      throw new Error('no')
    })
    const service = await start(handler)
    await service.publish(placed, { orderId: 'o-1' })
    await idle()
    expect(ids).toHaveLength(2)
    expect(await payments()).toEqual(['o-1'])
    expect(await stored()).toEqual([ids[0]])
    expect(ids[1]).toBe(ids[0])
    expect(inbox.health()).toMatchObject({ handled: 1, duplicates: 0 })
  })

  test('a statement that failed and was swallowed rolls everything back: the message is not taken for handled', async () => {
    const inbox = inboxOn(store)
    const handler = handlersWith(inbox).on(placed, async ({ data }, { tx, attempt }) => {
      await pay(tx, data.orderId)
      if (attempt === 1) await tx.query('select 1 / 0').catch(() => {})
    })
    const service = await start(handler)
    await service.publish(placed, { orderId: 'o-1' })
    await idle()
    expect(await payments()).toEqual(['o-1'])
    expect(await remembered()).toEqual([1])
    expect(service.health().consumers[0]).toMatchObject({ deadLettered: 0 })
    expect(inbox.health()).toMatchObject({ handled: 1, duplicates: 0 })
  })

  test('a connection that breaks in the middle of a handler is a failed attempt, and the next has the effect once', async () => {
    const inbox = inboxOn(store)
    const handler = handlersWith(inbox).on(placed, async ({ data }, { tx, attempt }) => {
      await pay(tx, data.orderId)
      if (attempt > 1) return
      const { rows } = await tx.query('select pg_backend_pid() as pid')
      await own.pool.query('select pg_terminate_backend($1)', [(rows[0] as { pid: number }).pid])
    })
    const service = await start(handler)
    await service.publish(placed, { orderId: 'o-1' })
    await idle()
    expect(await payments()).toEqual(['o-1'])
    expect(inbox.health()).toMatchObject({ handled: 1, duplicates: 0 })
  })

  test('batches that share messages, in opposite orders at once, neither deadlock nor handle one twice', async () => {
    const inbox = inboxOn(store)
    const handler = handlersWith(inbox).onBatch(
      placed,
      async (items, { tx }) => {
        for (const { data } of items) await pay(tx, data.orderId)
      },
      { maxCount: 20, maxWaitMs: 50 },
    )
    const consumers = await Promise.all([start(handler), start(handler), start(handler)])
    const ids = Array.from({ length: 60 }, (_, index) => `m-${index}`)
    const publishAll = (list: readonly string[], service: Service): Promise<unknown> =>
      Promise.all(list.map((id) => service.publish(placed, { orderId: id }, { id })))
    await Promise.all([
      publishAll(ids, consumers[0]!),
      publishAll(ids.toReversed(), consumers[1]!),
      publishAll(ids, consumers[2]!),
    ])
    await idle()
    expect(await payments()).toEqual(ids.toSorted())
    expect(inbox.health()).toMatchObject({ handled: 60, duplicates: 120 })
    expect(consumers.map((service) => service.health().consumers[0]?.retried)).toEqual([0, 0, 0])
  })
})
