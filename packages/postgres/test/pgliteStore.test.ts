import { PGlite } from '@electric-sql/pglite'
import { codeOf } from '@posthorn/core'
import { createPostgresStore, migrate } from '@posthorn/postgres'
import type { PgliteTransaction, PostgresStore } from '@posthorn/postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { entry, everything, refOf } from './support/entries.js'

let pglite: PGlite
let store: PostgresStore<PgliteTransaction>

beforeAll(async () => {
  pglite = await PGlite.create()
  expect(await migrate(pglite, { partitionCount: 8 })).toEqual({ version: 1, changed: true })
  store = createPostgresStore({ pglite })
})
beforeEach(async () => {
  await pglite.exec(`truncate posthorn.outbox, posthorn.outbox_scheduled, posthorn.outbox_key, posthorn.outbox_relay;
    update posthorn.outbox_lease set owner = null, expires_at = null`)
})
afterAll(() => pglite.close())

const insert = (...entries: ReturnType<typeof entry>[]): Promise<void> =>
  pglite.transaction((tx) => store.insert(tx, entries))

describe('the store on PGlite', () => {
  test('gives back every part of a message as it was stored', async () => {
    const body = Uint8Array.from({ length: 256 }, (_, index) => index)
    const first = entry({ key: 'Zürich', body })
    const second = entry({ body: null })
    await insert(first, second)
    const { leases } = await store.renew('a', 10_000)
    const found = await store.read(everything('a', leases))
    const byId = new Map(found.map((stored) => [stored.message.id, stored]))
    expect(found.length).toBe(2)
    expect(byId.get(first.message.id)?.message).toEqual({ ...first.message, body: expect.any(Uint8Array) })
    expect([...(byId.get(first.message.id)?.message.body ?? [])]).toEqual([...body])
    expect(byId.get(second.message.id)?.message).toEqual(second.message)
    expect(byId.get(first.message.id)?.createdAt.getTime()).toBeGreaterThan(Date.now() - 600_000)
    expect(
      await store.remove(
        'a',
        found.map((stored) => refOf(stored, leases)),
      ),
    ).toBe(2)
    expect((await store.stats()).depth).toBe(0)
  })

  test('reads bodies that are no text beside those that are, once there is one', async () => {
    const texts = [Buffer.from('{"note":"Grüße, 世界"}'), Buffer.from('{"more":"🚚"}')]
    const bytes = Buffer.from([0, 255, 254])
    const { leases } = await store.renew('a', 10_000)
    const bodies = async (): Promise<string[]> =>
      (await store.read(everything('a', leases)))
        .map(({ message }) => Buffer.from(message.body!).toString('hex'))
        .sort()
    const expected = (...given: readonly Buffer[]): string[] => given.map((body) => body.toString('hex')).sort()
    await insert(entry({ body: texts[0]! }))
    expect(await bodies()).toEqual(expected(texts[0]!))
    await insert(entry({ body: bytes }))
    expect(await bodies()).toEqual(expected(texts[0]!, bytes))
    await insert(entry({ body: texts[1]! }))
    expect(await bodies()).toEqual(expected(texts[0]!, bytes, texts[1]!))
  })

  test('keeps what the longest retention of its services wants, whoever does the upkeep', async () => {
    const day = 86_400_000
    const longer = createPostgresStore({ pglite, inboxRetentionMs: 30 * day })
    const remember = (): Promise<unknown> =>
      longer.transaction((tx) => longer.remember(tx, [{ consumer: 'c', source: '/s', id: 'm', time: undefined }]))
    expect(await remember()).toEqual(['new'])
    await pglite.exec(`delete from posthorn.inbox;
      insert into posthorn.inbox select 'c', '/s', 'm', (now() at time zone 'UTC')::date - 10, now() - interval '10 days'`)
    await store.maintain()
    expect(await remember()).toEqual(['duplicate'])
  })

  test('is refused PGlite itself, and a transaction that has ended', async () => {
    const refused = (tx: unknown): Promise<unknown> =>
      store.insert(tx as PgliteTransaction, [entry()]).catch((error: unknown) => codeOf(error))
    let ended: PgliteTransaction | undefined
    await pglite.transaction(async (tx) => void (ended = tx))
    expect(await refused(pglite)).toBe('POSTHORN_NO_TRANSACTION')
    expect(await refused(ended)).toBe('POSTHORN_NO_TRANSACTION')
    expect(await refused(undefined)).toBe('POSTHORN_NO_TRANSACTION')
    expect((await store.stats()).depth).toBe(0)
  })

  test('a transaction whose error was swallowed rejects instead of pretending to be committed', async () => {
    const work = store.transaction(async (tx) => {
      await store.insert(tx, [entry()])
      await tx.query('select 1 / 0').catch(() => {})
    })
    expect(await work.catch((error: unknown) => codeOf(error))).toBe('POSTHORN_TRANSACTION_FAILED')
    expect((await store.stats()).depth).toBe(0)
  })

  test('tells a committed transaction from one that was rolled back', async () => {
    const committed = await pglite.transaction((tx) => store.transactionId(tx))
    const rolledBack = await pglite.transaction(async (tx) => {
      const id = await store.transactionId(tx)
      await tx.rollback()
      return id
    })
    expect(await store.commitStatus(committed)).toBe('committed')
    expect(await store.commitStatus(rolledBack)).toBe('aborted')
  })
})
