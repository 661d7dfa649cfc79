import { randomBytes } from 'node:crypto'
import { codeOf } from '@posthorn/core'
import { createPostgresStore, grantSql, migrate } from '@posthorn/postgres'
import type { PgClient, PostgresStore } from '@posthorn/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { entry, everything, refOf } from './support/entries.js'
import { createTestSchema, inTransaction } from './support/server.js'
import type { TestSchema } from './support/server.js'

let own: TestSchema
const suffix = randomBytes(4).toString('hex')
const roles = { writer: `writer_${suffix}`, relay: `relay_${suffix}`, inbox: `inbox_${suffix}`, nobody: `no_${suffix}` }
const pools = {} as Record<keyof typeof roles, pg.Pool>
const stores = {} as Record<keyof typeof roles, PostgresStore<PgClient>>

beforeAll(async () => {
  own = await createTestSchema()
  const { writer, relay, inbox } = roles
  for (const name of Object.keys(roles) as (keyof typeof roles)[]) {
    await own.pool.query(`create role ${roles[name]} login`)
    pools[name] = own.connect({ connectionString: own.server.url.replace('//postgres', `//${roles[name]}`), max: 3 })
    stores[name] = createPostgresStore({ pool: pools[name], schema: own.schema })
  }
  await own.pool.query(grantSql({ schema: own.schema, writer, relay, inbox }))
})
afterAll(async () => {
  for (const role of Object.values(roles)) await own.pool.query(`drop owned by ${role}; drop role ${role}`)
  await own[Symbol.asyncDispose]()
})

const codeFrom = (work: Promise<unknown>): Promise<unknown> => work.then(String, codeOf)
/** The state of SQL of a statement that a role runs by hand. */
const stateOf = (role: keyof typeof roles, sql: string): Promise<unknown> =>
  pools[role].query(sql).then(
    () => 'allowed',
    (error: { code?: string }) => error.code,
  )
const refused = '42501'

describe('with the rights that grantSql prints', () => {
  test('the writer stores, the relay publishes and deletes, the consumer remembers: nothing else is needed', async () => {
    const later = entry({ notBefore: new Date(Date.now() - 1_000) })
    await inTransaction(pools.writer, (client) => stores.writer.insert(client, [entry({ key: 'k' }), later]))
    const relay = stores.relay
    await relay.prepare()
    const { leases, nextDueMs } = await relay.renew('r', 60_000)
    expect(nextDueMs).toBe(0)
    expect(await relay.releaseDue(leases, 10)).toBe(1)
    const found = await relay.read(everything('r', leases))
    expect(found.length).toBe(2)
    const refs = found.map((stored) => refOf(stored, leases))
    await relay.fail('r', refs[0]!, { code: 'X', message: 'x' }, { maxAttempts: 1, retryAfterMs: 1 })
    const [parked] = await relay.parkedKeys()
    expect(await relay.decide(parked!, 'skip')).toBe(1)
    expect(await relay.remove('r', refs)).toBe(1)
    expect(await relay.stats()).toMatchObject({ depth: 0, parkedKeys: 0 })
    await relay.giveBack('r', leases)
    await relay.leave('r')
    const key = { consumer: 'c', source: '/s', id: '1', time: new Date() }
    expect(await stores.inbox.transaction((tx) => stores.inbox.remember(tx, [key]))).toEqual(['new'])
    await stores.inbox.maintain()
  })

  test('the relay discards a parked key with what it has for later, and may delete nothing else of that', async () => {
    const later = entry({ key: 'gone', notBefore: new Date(Date.now() + 3_600_000) })
    await inTransaction(pools.writer, (client) => stores.writer.insert(client, [entry({ key: 'gone' }), later]))
    const { relay } = stores
    const { leases } = await relay.renew('r', 60_000)
    const [first] = await relay.read(everything('r', leases))
    await relay.fail('r', refOf(first!, leases), { code: 'X', message: 'x' }, { maxAttempts: 1, retryAfterMs: 1 })
    const [parked] = await relay.parkedKeys()
    expect(await relay.decide(parked!, 'discard')).toBe(2)
    expect(await relay.decide(parked!, 'discard')).toBe(false)
    await relay.leave('r')
    expect(await stateOf('relay', `delete from ${own.schema}.outbox_scheduled`)).toBe(refused)
    expect(await stateOf('inbox', `select ${own.schema}.outbox_discard(0::smallint, 'gone')`)).toBe(refused)
  })

  test('the relay sees that a transaction of somebody else stays open', async () => {
    const holder = await own.pool.connect()
    try {
      await holder.query('begin isolation level repeatable read')
      await holder.query('select 1')
      for (let count = 0; count < 5; count += 1) await own.pool.query('select pg_current_xact_id()')
      expect((await stores.relay.stats()).horizonAge).toBeGreaterThanOrEqual(5)
    } finally {
      await holder.query('rollback')
      holder.release()
    }
  })

  test('the writer can neither read nor delete, the relay cannot insert, the consumer cannot forget', async () => {
    const s = own.schema
    expect(await stateOf('writer', `delete from ${s}.outbox`)).toBe(refused)
    expect(await stateOf('writer', `select from ${s}.outbox`)).toBe(refused)
    expect(await stateOf('writer', `select ${s}.outbox_release_due('{}', '{}', 1)`)).toBe(refused)
    const columns = '(partition, event_id, destination, type, content_type, headers, must_route)'
    expect(await stateOf('relay', `insert into ${s}.outbox ${columns} values (0,'a','b','c','d','{}',true)`)).toBe(
      refused,
    )
    expect(await stateOf('relay', `update ${s}.outbox set destination = 'x'`)).toBe(refused)
    expect(await stateOf('inbox', `delete from ${s}.inbox`)).toBe(refused)
    expect(await stateOf('inbox', `truncate ${s}.inbox`)).toBe(refused)
    expect(await stateOf('inbox', `insert into ${s}.inbox_seal values ('2099-01-01', '1')`)).toBe(refused)
    expect(await stateOf('inbox', `update ${s}.inbox_retention set retention_ms = 0`)).toBe(refused)
    expect(await stateOf('inbox', `delete from ${s}.inbox_retention`)).toBe(refused)
    expect(await stateOf('nobody', `select ${s}.inbox_forget(0, 1)`)).toBe(refused)
    expect(await stateOf('nobody', `select ${s}.inbox_remember('[]', 1)`)).toBe(refused)
  })

  test('a role without rights is told which, and the business transaction can go on', async () => {
    expect(await codeFrom(stores.nobody.prepare())).toBe('POSTHORN_OUTBOX_RIGHTS')
    expect(await codeFrom(stores.writer.prepare())).toBe('POSTHORN_OUTBOX_RIGHTS')
    const went = await inTransaction(pools.relay, async (client) => {
      expect(await codeFrom(stores.relay.insert(client, [entry()]))).toBe('POSTHORN_OUTBOX_RIGHTS')
      return (await client.query<{ n: number }>('select 1 as n')).rows[0]?.n
    })
    expect(went).toBe(1)
  })

  test('a service may call migrate at its start, once somebody with the rights has', async () => {
    expect(await migrate(pools.writer, { schema: own.schema })).toEqual({ version: 1, changed: false })
    await migrate(own.pool, { schema: own.schema, uniqueIds: true })
    const unique = { schema: own.schema, uniqueIds: true }
    expect(await migrate(pools.writer, unique)).toEqual({ version: 1, changed: false })
    expect(await codeFrom(migrate(pools.nobody, { schema: `other_${suffix}` }))).toBe('POSTHORN_OUTBOX_RIGHTS')
  })
})
