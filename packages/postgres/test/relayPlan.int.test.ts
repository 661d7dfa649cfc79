import { createPostgresStore } from '@posthorn/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { relayStatements } from '../src/sql/relayStatements.js'
import { createTestSchema } from './support/server.js'
import type { TestSchema } from './support/server.js'

let own: TestSchema

beforeAll(async () => {
  own = await createTestSchema({ partitionCount: 4 })
})
afterAll(() => own[Symbol.asyncDispose]())

test('with a backlog and much in flight, a read follows the index of a partition and sorts none', async () => {
  await own.pool.query(`
    insert into ${own.schema}.outbox (partition, event_id, destination, key, type, content_type, body, headers, must_route)
    select i % 4, 'e' || i, 'orders', 'k' || i % 100, 't', 'c', convert_to(repeat('x', 800), 'utf8'), '{}', false from generate_series(1, 40000) i`)
  const store = createPostgresStore({ pool: own.pool, schema: own.schema })
  const { leases } = await store.renew('r', 60_000)
  const lists = [leases.map(({ partition }) => partition).join(','), leases.map(({ fence }) => fence).join(',')]
  const inFlight = Array.from({ length: 2_000 }, (_, index) => index + 1).join(',')
  const values = ['r', ...lists, inFlight, '[]', 250, 1_000, 10_000_000]
  const { read } = relayStatements(`"${own.schema}"`)
  const { rows } = await own.pool.query<Record<string, string>>(`explain (analyze, costs off) ${read}`, values)
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
  expect(plan).toContain('Index Scan using outbox_pkey')
  expect(plan).not.toMatch(/Sort Key: x\./)
})
