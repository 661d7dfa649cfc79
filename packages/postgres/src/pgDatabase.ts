import type { Database, Row } from './database.js'
import { pgExecutor } from './executors/pgExecutor.js'
import type { PgClient, PgPool } from './executors/pgTypes.js'
import { listenOnPg } from './pgListener.js'
import type { PgTimings } from './pgListener.js'
import { withDeadline } from './withDeadline.js'

/** The database behind a pool of `pg`. */
export function pgDatabase(pool: PgPool, timings: PgTimings): Database {
  // pg: an idle client that loses its connection makes the pool emit "error", which ends the process if nobody listens. The
  // pool replaces the client by itself.
  if (pool.listenerCount('error') === 0) pool.on('error', () => {})
  if (!pool.listeners('connect').includes(outliveErrors)) pool.on('connect', outliveErrors)
  const executor = pgExecutor(pool)
  const { timeoutMs } = timings
  return {
    query: (text, values = []) =>
      withDeadline(timeoutMs, async () => {
        const config = { text, values: [...values], query_timeout: timeoutMs }
        return (await pool.query(config)).rows as Row[]
      }),
    transaction: (work) =>
      executor.transaction((client) =>
        work({ query: async (text, values = []) => (await client.query(text, [...values])).rows as Row[] }),
      ),
    listen: (channel, events) => listenOnPg(pool, channel, { events, timings }),
  }
}

/**
 * A server that goes away just after it has let a client in may say both in one packet: pg emits the error before anybody who
 * waits for the client has it, and an "error" without a listener ends the process. Whoever uses the client is told as well.
 */
function outliveErrors(client: PgClient): void {
  client.on('error', () => {})
}
