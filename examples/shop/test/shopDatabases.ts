import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { HarnessOptions } from '@posthorn/testing'
import { openPglite } from '../src/database/pgliteDatabases.js'
import type { Databases, ServiceDatabase, Tables } from '../src/database/shopDatabase.js'

/** A database for the tests of a file, and schemas in it for each of them. */
export interface TestDatabases {
  readonly databases: Databases
  open(tables: Tables): Promise<ServiceDatabase>
}

/** One PGlite for a file: starting one takes seconds. */
export function usePglite(): TestDatabases {
  let opened: Databases
  beforeAll(async () => void (opened = await openPglite()), 300_000)
  afterAll(() => opened.close())
  return {
    get databases() {
      return opened
    },
    open: (tables) => opened.open(`test_${randomBytes(6).toString('hex')}`, tables),
  }
}

/** The database has a clock of its own: messages of another year would be older than an inbox remembers. */
export const harnessOptions = (): HarnessOptions => ({ startAt: Date.now(), timeoutMs: 60_000 })

/** A message that waits in an outbox. */
export interface Waiting {
  readonly id: string
  readonly causationid?: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What a service has published through its outbox, in its order; no relay takes it away. */
export async function waitingOf({ schema, query }: ServiceDatabase, type?: string): Promise<Waiting[]> {
  const text = `select convert_from(body, 'UTF8') as body from ${schema}.outbox where $1::text is null or type = $1 order by id`
  const { rows } = await query(text, [type ?? null])
  return (rows as { body: string }[]).map(({ body }) => JSON.parse(body) as Waiting)
}
