import { silentLogger, systemClock } from '@posthorn/core'
import type { Clock } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { createRelay } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { entry } from './support/entries.js'
import { createTestSchema, inTransaction } from './support/server.js'
import type { TestSchema } from './support/server.js'

let own: TestSchema

beforeAll(async () => {
  own = await createTestSchema()
})
afterAll(() => own[Symbol.asyncDispose]())

const tenMinutesMs = 600_000

/** Of a process whose machine is off by so much. */
const clockOff = (offMs: number): Clock => ({ ...systemClock, now: () => systemClock.now() + offMs })

test('relays whose clocks are ten minutes off share the work: no lease is stolen or lost, nothing comes twice or early', async () => {
  const broker = createMemoryBroker()
  const leaseMs = 2_000
  const relays = [0, tenMinutesMs, -tenMinutesMs].map((offMs) => {
    const store = createPostgresStore({ pool: own.pool, schema: own.schema })
    const transport = createMemory({ broker })
    return createRelay({ store, transport, clock: clockOff(offMs), logger: silentLogger, leaseMs, pollIntervalMs: 100 })
  })
  await Promise.all(relays.map((relay) => relay.start()))
  await expect.poll(() => relays.map((relay) => relay.health().leases).toSorted((a, b) => a - b)).toEqual([20, 22, 22])

  const store = createPostgresStore({ pool: own.pool, schema: own.schema })
  const published = (): number => relays.reduce((sum, relay) => sum + relay.health().published, 0)
  const dueInMs = 1.5 * leaseMs
  const databaseNow = async (): Promise<number> => {
    const { rows } = await own.pool.query<{ ms: string }>(
      `select (extract(epoch from clock_timestamp()) * 1000)::text as ms`,
    )
    return Number(rows[0]!.ms)
  }
  const notBefore = new Date((await databaseNow()) + dueInMs)
  await inTransaction(own.pool, (client) => store.insert(client, [entry({ key: 'later', notBefore })]))
  let committed = 0
  // Over several lengths of a lease, in which a wrong clock would have let one run out, or kept one.
  for (;;) {
    const soFar = published()
    if ((await databaseNow()) >= notBefore.getTime()) break
    expect(soFar).toBe(committed)
    const entries = Array.from({ length: 20 }, (_, index) => entry({ key: `k${index}` }))
    await inTransaction(own.pool, (client) => store.insert(client, entries))
    committed += entries.length
    await expect.poll(published).toBeGreaterThanOrEqual(committed)
  }
  await expect.poll(published).toBe(committed + 1)
  await expect.poll(async () => (await store.stats()).depth).toBe(0)
  expect(relays.map((relay) => relay.health().counts.leasesLost)).toEqual([0, 0, 0])
  expect(relays.every((relay) => relay.health().published > 0)).toBe(true)
  await Promise.all(relays.map((relay) => relay.stop()))
  broker.close()
})
