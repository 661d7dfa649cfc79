import { storeConformanceCases } from '@posthorn/outbox/conformance'
import pg from 'pg'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { acquirePostgres } from '../../../test/stack/src/index.js'
import type { Postgres } from '../../../test/stack/src/index.js'
import { pgSetup } from './support/conformanceSetup.js'
import { laterPool } from './support/laterPool.js'

let server: Postgres
let pool: pg.Pool

beforeAll(async () => {
  server = await acquirePostgres()
  pool = new pg.Pool({ connectionString: server.url, max: 20 })
})
afterAll(async () => {
  await pool.end()
  await server.release()
})

const suite = (options: Parameters<typeof pgSetup>[1], promises?: readonly string[]): void => {
  for (const { promise, title, run } of storeConformanceCases(
    pgSetup(
      laterPool(() => pool),
      options,
    ),
  )) {
    if (promises?.includes(promise) ?? true) test(`${promise}: ${title}`, run)
  }
}

describe('the store on PostgreSQL', () => suite({}))
describe('the store on PostgreSQL with polling only', () => suite({ notify: false }, ['listening', 'transactions']))
// Not the late commits: transactions of one key cannot overlap then.
describe('the store on PostgreSQL with locked keys', () =>
  suite({ lockKeys: true }, ['transactions', 'exactMessages', 'readOrder', 'refusedHandles']))
