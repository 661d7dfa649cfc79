import { randomBytes } from 'node:crypto'
import { codeOf, createService, on, silentLogger } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { createInbox, createOutbox, createRelay, handlersWith } from '@posthorn/outbox'
import type { Outbox } from '@posthorn/outbox'
import { createPostgresStore, migrate } from '@posthorn/postgres'
import type { PostgresStore } from '@posthorn/postgres'
import { prismaExecutor } from '@posthorn/postgres/prisma'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { acquirePostgres } from '../stack/src/index.js'
import type { Postgres } from '../stack/src/index.js'
import { createPrismaClient } from './installPrisma.js'
import type { PrismaClient, PrismaOrders } from './installPrisma.js'
import { paid, placed } from '../../packages/postgres/test/support/orders.js'

const schema = `prisma_${randomBytes(6).toString('hex')}`
let server: Postgres
let pool: pg.Pool
let prisma: PrismaClient
let store: PostgresStore<PrismaOrders>
let outbox: Outbox<PrismaOrders>

beforeAll(async () => {
  server = await acquirePostgres()
  pool = new pg.Pool({ connectionString: server.url })
  await migrate(pool, { schema, uniqueIds: true })
  await pool.query(`create table ${schema}.orders (id text primary key)`)
  prisma = await createPrismaClient(server.url, schema)
  store = createPostgresStore({ pool, schema, executor: prismaExecutor<PrismaOrders>(prisma) })
  outbox = createOutbox({ source: '/shop', store })
})
afterEach(() => pool.query(`truncate ${schema}.orders, ${schema}.outbox, ${schema}.outbox_scheduled`))
afterAll(async () => {
  await prisma.$disconnect()
  await pool.query(`drop schema ${schema} cascade`)
  await pool.end()
  await server.release()
})

const codeFrom = (work: Promise<unknown>): Promise<unknown> => work.then(String, codeOf)
const waiting = async (): Promise<string[]> =>
  (await pool.query<{ id: string }>(`select event_id as id from ${schema}.outbox order by id`)).rows.map(({ id }) => id)
const orders = async (): Promise<string[]> => (await prisma.order.findMany()).map(({ id }) => id)

describe('an outbox with transactions of Prisma', () => {
  test('stores what they commit, with every byte, and nothing of what they roll back', async () => {
    const committed = await prisma.$transaction(async (tx) => {
      await tx.order.create({ data: { id: 'o-1' } })
      return outbox.publish(tx, placed, { orderId: 'ö-1 \\ "' })
    })
    const rolledBack = prisma.$transaction(async (tx) => {
      await tx.order.create({ data: { id: 'o-2' } })
      await outbox.publish(tx, placed, { orderId: 'o-2' })
      throw new Error('of the business')
    })
    await expect(rolledBack).rejects.toThrow('of the business')
    expect(await waiting()).toEqual([committed.id])
    expect(await orders()).toEqual(['o-1'])

    const broker = createMemoryBroker()
    const received: unknown[] = []
    const service = createService({ source: '/billing', transport: createMemory({ broker }), logger: silentLogger })
    const relay = service.attach(createRelay({ store }))
    service.consume('billing', { handlers: [on(placed, ({ data }) => void received.push(data))] })
    await service.start()
    await expect.poll(() => received).toEqual([{ orderId: 'ö-1 \\ "' }])
    await expect.poll(waiting).toEqual([])
    expect(relay.health().published).toBe(1)
    await service.stop()
    broker.close()
  })

  test('stores many at once', async () => {
    const many = Array.from({ length: 50 }, (_, index) => ({ orderId: `o-${index}` }))
    const results = await prisma.$transaction((tx) => outbox.publishMany(tx, placed, many))
    expect(await waiting()).toEqual(results.map(({ id }) => id))
  })

  test('stores what is not due yet, and locks keys where that is wanted', async () => {
    const executor = prismaExecutor<PrismaOrders>(prisma)
    const locking = createPostgresStore({ pool, schema, executor, lockKeys: true })
    const later = createOutbox({ source: '/shop', store: locking })
    const notBefore = new Date(Date.now() + 3_600_000)
    await prisma.$transaction(async (tx) => {
      await later.publish(tx, placed, { orderId: 'o-1' }, { notBefore, partitionKey: 'k' })
      await later.publish(tx, placed, { orderId: 'o-2' }, { partitionKey: 'k' })
    })
    expect(await waiting()).toHaveLength(1)
    expect(await store.stats()).toMatchObject({ depth: 2, scheduled: 1 })
  })

  test('refuses the client itself, a transaction that has ended, and what is neither', async () => {
    let ended: PrismaOrders | undefined
    await prisma.$transaction(async (tx) => void (ended = tx))
    for (const handle of [prisma, ended, {}, undefined]) {
      expect(await codeFrom(outbox.publish(handle as PrismaOrders, placed, { orderId: 'o-1' }))).toBe(
        'POSTHORN_NO_TRANSACTION',
      )
    }
    expect(await waiting()).toEqual([])
  })

  test('tells an id that waits already, and a missing schema', async () => {
    const publish = (to: Outbox<PrismaOrders>): Promise<unknown> =>
      prisma.$transaction((tx) => to.publish(tx, placed, { orderId: 'o-1' }, { id: 'e-1' }))
    await publish(outbox)
    expect(await codeFrom(publish(outbox))).toBe('POSTHORN_OUTBOX_DUPLICATE')
    const nowhere = createPostgresStore({
      pool,
      schema: 'is_not_there',
      executor: prismaExecutor<PrismaOrders>(prisma),
    })
    expect(await codeFrom(publish(createOutbox({ source: '/shop', store: nowhere })))).toBe('POSTHORN_OUTBOX_SCHEMA')
  })
})

describe('an inbox with transactions of Prisma', () => {
  test('has the effect and its message once, though the message comes twice and the first attempt fails', async () => {
    const broker = createMemoryBroker()
    const service = createService({ source: '/billing', transport: createMemory({ broker }), logger: silentLogger })
    const inbox = createInbox({ store, outbox })
    let attempts = 0
    const handler = handlersWith(inbox).on(placed, async ({ data }, { tx, publish }) => {
      attempts += 1
      await tx.order.create({ data: { id: data.orderId } })
      await publish(paid, data)
      if (attempts === 1) throw new Error('the first time')
    })
    service.attach(inbox)
    service.consume('billing', { handlers: [handler], retry: { delaysMs: [0] } })
    await service.start()
    await service.publish(placed, { orderId: 'o-1' }, { id: 'm-1' })
    await service.publish(placed, { orderId: 'o-1' }, { id: 'm-1' })
    await expect.poll(() => inbox.health()).toMatchObject({ handled: 1, duplicates: 1 })
    expect(attempts).toBe(2)
    expect(await orders()).toEqual(['o-1'])
    expect(await waiting()).toHaveLength(1)
    await service.stop()
    broker.close()
  })

  test('a transaction that had failed rejects, though its error was swallowed', async () => {
    const work = store.transaction(async (tx) => {
      await outbox.publish(tx, placed, { orderId: 'o-1' })
      await tx.$queryRawUnsafe('select 1 / 0').catch(() => {})
    })
    expect(await codeFrom(work)).toBe('POSTHORN_TRANSACTION_FAILED')
    expect(await waiting()).toEqual([])
  })
})
