import { createPostgresStore, migrate } from '@posthorn/postgres'
import { newPglite } from './newPglite.js'
import type { Databases, Queries, ShopStore } from './shopDatabase.js'

/** PGlite has one connection, and so one relay at a time: more partitions would only be asked for nothing. */
const partitionCount = 8
/** What is older was sent before this process, and its memory, began. Each day more is one table more to make at the start. */
const inboxRetentionMs = 24 * 3_600_000

/** PostgreSQL in this process and in its memory, gone with it. */
export async function openPglite(): Promise<Databases> {
  const pglite = await newPglite()
  const query: Queries['query'] = async (text, values) => pglite.query(text, values)
  return {
    name: 'pglite',
    url: undefined,
    query,
    async open(schema, tables) {
      await migrate(pglite, { schema, partitionCount })
      await pglite.exec(tables(`"${schema}"`))
      // The shop sees of a transaction that it runs queries; only the store hands out transactions.
      const store = createPostgresStore({ pglite, schema, inboxRetentionMs }) as unknown as ShopStore
      return { schema: `"${schema}"`, store, query }
    },
    claim: async () => ({ release: async () => {} }),
    close: () => pglite.close(),
  }
}
