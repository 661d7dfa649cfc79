import { codeOf, silentLogger } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { createRelay } from '@posthorn/outbox'
import { createPostgresStore, migrate } from '@posthorn/postgres'
import type { PgClient, PostgresStore } from '@posthorn/postgres'
import { createFaultProxy } from '@posthorn/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { entry, everything, refOf } from './support/entries.js'
import { createTestSchema, inTransaction } from './support/server.js'
import type { TestSchema } from './support/server.js'

let own: TestSchema
let store: PostgresStore<PgClient>

beforeAll(async () => {
  own = await createTestSchema({ fresh: true })
  store = createPostgresStore({ pool: own.pool, schema: own.schema, keepAliveMs: 200, timeoutMs: 5_000 })
})
afterAll(() => own[Symbol.asyncDispose]())

const idsStored = async (): Promise<string[]> => {
  const { rows } = await own.pool.query<{ event_id: string }>(`select event_id from ${own.schema}.outbox`)
  return rows.map(({ event_id: id }) => id)
}

/** Resolves with what the listener is told, one after the other. */
function heard(): { readonly events: { onHint(): void; onLost(): void }; readonly told: string[] } {
  const told: string[] = []
  return { told, events: { onHint: () => void told.push('hint'), onLost: () => void told.push('lost') } }
}

/** As PostgreSQL counts. */
const numberOf = async (client: PgClient): Promise<string> => {
  const { rows } = await client.query('select pg_current_xact_id()::text as number')
  return (rows[0] as { number: string }).number
}

const terminate = (): Promise<unknown> =>
  own.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %' or query = 'select 1'`,
  )

describe('the listener', () => {
  test('hears of a commit, not of what is rolled back, and is told once when its connection is killed', async () => {
    const { events, told } = heard()
    const listener = await store.listen(events)
    await inTransaction(own.pool, (client) => store.insert(client, [entry()]), 'rollback')
    expect(told).toEqual([])
    await inTransaction(own.pool, (client) => store.insert(client, [entry(), entry()]))
    await expect.poll(() => told).toEqual(['hint'])
    await terminate()
    await expect.poll(() => told).toEqual(['hint', 'lost'])
    await inTransaction(own.pool, (client) => store.insert(client, [entry()]))
    const again = heard()
    const second = await store.listen(again.events)
    await inTransaction(own.pool, (client) => store.insert(client, [entry()]))
    await expect.poll(() => again.told).toEqual(['hint'])
    expect(told).toEqual(['hint', 'lost'])
    await second?.close()
    await listener?.close()
  })

  test('that a firewall has cut off silently is noticed by the question that gets no answer', async () => {
    const proxy = await createFaultProxy({ target: own.server.url })
    const pool = own.connect({ connectionString: proxy.url })
    const through = createPostgresStore({ pool, schema: own.schema, keepAliveMs: 100, timeoutMs: 500 })
    const { events, told } = heard()
    await through.listen(events)
    proxy.blackhole()
    await expect.poll(() => told).toEqual(['lost'])
    expect(await through.stats().catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    await through.close()
    await proxy.close()
  })
})

describe('a COMMIT that gets no answer', () => {
  test.each([
    ['lost on its way to the server', 'toServer'],
    ['done, and its answer lost', 'toClient'],
  ] as const)('%s: rejects, and its number tells what became of it', async (_, direction) => {
    const proxy = await createFaultProxy({ target: own.server.url })
    const pool = own.connect({ connectionString: proxy.url })
    const through = createPostgresStore({ pool, schema: own.schema })
    const message = entry()
    let number = ''
    const outcome = await through
      .transaction(async (tx) => {
        await through.insert(tx, [message])
        number = await through.transactionId(tx)
        // The COMMIT itself is 12 bytes, the answer 18: the reset falls into the middle of one of them.
        proxy.resetAfterBytes(3, direction)
      })
      .catch(codeOf)
    expect(outcome).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    await expect.poll(() => store.commitStatus(number)).not.toBe('in progress')
    const status = await store.commitStatus(number)
    expect(status).toBe(direction === 'toServer' ? 'aborted' : 'committed')
    expect((await idsStored()).includes(message.message.id)).toBe(status === 'committed')
    await proxy.close()
  })
})

describe('a REPEATABLE READ session that stays open', () => {
  test('does not stop what is committed after it from being read and removed', async () => {
    const holder = await own.pool.connect()
    try {
      await holder.query('begin isolation level repeatable read')
      await holder.query('select txid_current()')
      const committed = entry()
      await inTransaction(own.pool, (client) => store.insert(client, [committed]))
      const { leases } = await store.renew('r', 60_000)
      const found = await store.read(everything('r', leases))
      expect(found.map(({ message }) => message.id)).toContain(committed.message.id)
      expect(
        await store.remove(
          'r',
          found.map((stored) => refOf(stored, leases)),
        ),
      ).toBe(found.length)
      expect(await store.read(everything('r', leases))).toEqual([])
      await store.leave('r')
    } finally {
      await holder.query('rollback')
      holder.release()
    }
  })

  test('lets a relay skip nothing and delay nobody, and is told in its health', async () => {
    await own.pool.query(`truncate ${own.schema}.outbox`)
    const holder = await own.pool.connect()
    const writer = await own.pool.connect()
    const transport = createMemory()
    const relay = createRelay({ store, transport, logger: silentLogger, statsIntervalMs: 100, pollIntervalMs: 100 })
    try {
      await holder.query('begin isolation level repeatable read')
      await holder.query(`select count(*), pg_current_xact_id() from ${own.schema}.outbox`)
      await writer.query('begin')
      await store.insert(writer, [entry({ key: 'k0' })])
      await relay.start()
      for (let number = 0; number < 30; number += 1) {
        await inTransaction(own.pool, (client) => store.insert(client, [entry({ key: `k${number % 3}` })]))
        await expect.poll(() => relay.health().counts.removed).toBe(number + 1)
      }
      await expect.poll(() => relay.health().horizonAge).toBeGreaterThanOrEqual(30)
      await expect.poll(() => relay.health().deadRows).toBeGreaterThanOrEqual(30)
      await writer.query('commit')
      await expect.poll(() => relay.health().counts.removed).toBe(31)
      expect(await idsStored()).toEqual([])
      await holder.query('rollback')
      await expect.poll(() => relay.health().horizonAge).toBeLessThan(30)
    } finally {
      await relay.stop()
      holder.release(true)
      writer.release(true)
    }
  })
})

describe('a server that is killed', () => {
  test('comes back with what was committed; meanwhile every call rejects as an outage, and the process lives', async () => {
    const before = entry()
    await inTransaction(own.pool, (client) => store.insert(client, [before]))
    const open = store.transaction(async (tx) => {
      await store.insert(tx, [entry({ id: 'never' })])
      await own.server.control!.kill()
    })
    expect(await open.catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    expect(await store.renew('r', 1_000).catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    expect(await store.prepare().catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    expect(await store.maintain().catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    expect(await migrate(own.pool, { schema: own.schema }).catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    await own.server.control!.start()
    await expect.poll(() => store.stats().then(({ depth }) => depth, codeOf)).toBeGreaterThan(0)
    const ids = await idsStored()
    expect(ids).toContain(before.message.id)
    expect(ids).not.toContain('never')
  })

  test('gives numbers of transactions again, and does not tell of one what became of the other', async () => {
    let named = ''
    let number = ''
    const open = store.transaction(async (tx) => {
      await store.insert(tx, [entry({ id: 'crashed' })])
      named = await store.transactionId(tx)
      number = await numberOf(tx)
      await own.server.control!.kill()
    })
    expect(await open.catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    await own.server.control!.start()
    await expect.poll(() => store.stats().then(() => 'there', codeOf)).toBe('there')
    expect(await store.commitStatus(named)).toBeUndefined()
    let again = ''
    while (BigInt(again) < BigInt(number)) {
      again = await inTransaction(own.pool, async (client) => {
        await store.insert(client, [entry()])
        return numberOf(client)
      })
    }
    expect(await store.commitStatus(named)).toBeUndefined()
    expect(await idsStored()).not.toContain('crashed')
  })

  test('a pool without a listener for errors does not end the process when its idle connections die', async () => {
    const pool = new pg.Pool({ connectionString: own.server.url, max: 1 })
    const using = createPostgresStore({ pool, schema: own.schema })
    await using.stats()
    await own.pool.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
    )
    await expect.poll(() => pool.totalCount).toBe(0)
    expect(await using.stats()).toMatchObject({ parkedKeys: 0 })
    await pool.end()
  })
})
