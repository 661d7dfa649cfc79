import { codeOf } from '@posthorn/core'
import type { InboxKey } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import type { PgClient, PostgresStore } from '@posthorn/postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTestSchema, inTransaction } from './support/server.js'
import type { TestSchema } from './support/server.js'

const day = 86_400_000
let own: TestSchema
let store: PostgresStore<PgClient>

beforeEach(async () => {
  own = await createTestSchema()
  store = createPostgresStore({ pool: own.pool, schema: own.schema })
})
afterEach(() => own[Symbol.asyncDispose]())

const keyOf = (id: string, time?: Date): InboxKey => ({ consumer: 'c', source: '/s', id, time })
const remember = async (key: InboxKey, by = store): Promise<unknown> =>
  (await by.transaction((tx) => by.remember(tx, [key])))[0]
const daysAgo = (days: number): Date => new Date(Date.now() - days * day)
const partitions = async (): Promise<string[]> => {
  const sql = `select inhrelid::regclass::text as name from pg_inherits where inhparent = '${own.schema}.inbox'::regclass`
  return (await own.pool.query<{ name: string }>(sql)).rows.map(({ name }) => name.split('.')[1]!)
}
const daysOf = async (id: string): Promise<number[]> => {
  const sql = `select day - (now() at time zone 'UTC')::date as ahead from ${own.schema}.inbox where id = $1 order by 1`
  return (await own.pool.query<{ ahead: number }>(sql, [id])).rows.map(({ ahead }) => ahead)
}
const sealedThrough = async (): Promise<number> => {
  const sql = `select max(through) - (now() at time zone 'UTC')::date as ahead from ${own.schema}.inbox_seal`
  return (await own.pool.query<{ ahead: number }>(sql)).rows[0]!.ahead
}
const withRetention = (inboxRetentionMs: number): PostgresStore<PgClient> =>
  createPostgresStore({ pool: own.pool, schema: own.schema, inboxRetentionMs })

/** The inbox's functions read noon of a day to come, which is that many days ahead. */
async function setClockAhead(days: number): Promise<void> {
  for (const name of ['inbox_remember', 'inbox_maintain', 'inbox_forget']) {
    const { rows } = await own.pool.query<{ src: string }>(
      `select pg_get_functiondef('${own.schema}.${name}'::regproc) as src`,
    )
    const clock = /\(date_trunc\('day', clock_timestamp\(\), 'UTC'\) \+ interval '[^']+'\)|(?:clock_timestamp|now)\(\)/g
    const changed = rows[0]!.src.replace(
      clock,
      `(date_trunc('day', clock_timestamp(), 'UTC') + interval '${days} days 12 hours')`,
    )
    expect(changed).not.toBe(rows[0]!.src)
    await own.pool.query(changed)
  }
}

describe('the inbox on PostgreSQL', () => {
  test('a message is recognised on each day of the retention, and its row is not repeated', async () => {
    expect(await remember(keyOf('first'))).toBe('new')
    for (const days of [1, 2, 3, 4, 5, 6, 7]) {
      await setClockAhead(days)
      await store.maintain()
      expect(await remember(keyOf('first', daysAgo(-days)))).toBe('duplicate')
      expect(await daysOf('first')).toEqual([0])
      expect(await sealedThrough()).toBe(days - 1)
    }
  })

  test('days that are older than the retention go as whole tables, and their messages are expired', async () => {
    expect(await remember(keyOf('first', new Date()))).toBe('new')
    const [today] = (await partitions()).filter((name) => name !== 'inbox_default').sort()
    for (const days of [3, 6, 9]) {
      await setClockAhead(days)
      await store.maintain()
    }
    expect(await partitions()).not.toContain(today)
    expect(await daysOf('first')).toEqual([])
    expect(await remember(keyOf('first', new Date()))).toBe('expired')
    expect(await store.maintain()).toEqual({ created: 0, dropped: 0 })
    await setClockAhead(30)
    expect((await store.maintain()).dropped).toBeGreaterThan(10)
    expect(await partitions()).toHaveLength(5)
  })

  test('messages without a time are forgotten by the time they were received', async () => {
    expect(await remember(keyOf('timeless'))).toBe('new')
    expect(await remember(keyOf('timeless'))).toBe('duplicate')
    await setClockAhead(9)
    await store.maintain()
    expect(await remember(keyOf('timeless'))).toBe('new')
  })

  test('an open transaction that uses the inbox delays the dropping, and neither waits for the other', async () => {
    await setClockAhead(30)
    await inTransaction(own.pool, async (client) => {
      await store.remember(client, [keyOf('open')])
      expect(await store.maintain()).toMatchObject({ dropped: 0 })
      expect(await remember(keyOf('meanwhile'))).toBe('new')
    })
    expect((await store.maintain()).dropped).toBe(4)
    expect(await remember(keyOf('open'))).toBe('duplicate')
  })

  test('days that nobody has made room for are kept all the same, and forgotten with the others', async () => {
    await setClockAhead(6)
    expect(await remember(keyOf('late'))).toBe('new')
    expect(await remember(keyOf('late'))).toBe('duplicate')
    await store.maintain()
    expect(await remember(keyOf('late'))).toBe('duplicate')
    await setClockAhead(8)
    await store.maintain()
    expect(await remember(keyOf('late'))).toBe('duplicate')
    await setClockAhead(16)
    await store.maintain()
    expect(await daysOf('late')).toEqual([])
    expect(await remember(keyOf('late'))).toBe('new')
  })

  test('what one service is to remember, the upkeep of another with a shorter retention does not drop', async () => {
    // It remembers and no more: the upkeep is another's.
    const longer = withRetention(30 * day)
    expect(await remember(keyOf('first'), longer)).toBe('new')
    for (const days of [4, 8, 12, 16, 20, 24, 29]) {
      await setClockAhead(days)
      await store.maintain()
      expect(await remember(keyOf('first'), longer)).toBe('duplicate')
    }
    await setClockAhead(32)
    expect((await store.maintain()).dropped).toBeGreaterThan(0)
    expect(await daysOf('first')).toEqual([])
  })

  test('the longer retention holds for days without a partition too, and is shortened by its owner alone', async () => {
    const longer = withRetention(30 * day)
    await setClockAhead(6)
    expect(await remember(keyOf('late'), longer)).toBe('new')
    await setClockAhead(20)
    await store.maintain()
    expect(await daysOf('late')).toContain(6)
    // What the how-to says.
    await own.pool.query(`update ${own.schema}.inbox_retention set retention_ms = ${7 * day}`)
    await store.maintain()
    expect(await daysOf('late')).toEqual([])
  })

  test('a retention whose first transaction is rolled back is noted by the next', async () => {
    const longer = withRetention(30 * day)
    const undone = longer.transaction(async (tx) => {
      await longer.remember(tx, [keyOf('undone')])
      await longer.remember(tx, [keyOf('undone too')])
      throw new Error('rolled back')
    })
    await expect(undone).rejects.toThrow('rolled back')
    expect(await remember(keyOf('first'), longer)).toBe('new')
    await setClockAhead(20)
    await store.maintain()
    expect(await remember(keyOf('first'), longer)).toBe('duplicate')
  })

  test('eight processes that maintain at once do not disturb each other', async () => {
    const stores = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? withRetention(40 * day) : store))
    await Promise.all(stores.map((each) => each.maintain()))
    await store.maintain()
    expect(await remember(keyOf('after', new Date()))).toBe('new')
  })

  test('a retention shorter than the horizon of replays is refused', () => {
    const make = (): unknown =>
      createPostgresStore({ pool: own.pool, inboxRetentionMs: day, replayHorizonMs: 2 * day, schema: own.schema })
    expect(make).toThrow(expect.objectContaining({ code: 'POSTHORN_CONFIGURATION' }))
  })

  test('an empty id is refused before anything is written', async () => {
    const failure = await store.transaction((tx) => store.remember(tx, [keyOf('', new Date())])).catch(codeOf)
    expect(failure).toBe('POSTHORN_INVALID_ENVELOPE')
  })
})
