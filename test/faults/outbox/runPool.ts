import { Pool } from 'pg'

/** Connections that a process has at most, the one that listens aside. */
export const maxConnections = { publisher: 40, consumer: 60, relay: 4 } as const

/**
 * A pool as a service should have one: a network that swallows everything must not keep a process waiting for ever, nor a
 * row locked. `name` is what the server shows of it.
 */
export function createRunPool(url: string, name: string, max: number): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: name,
    max,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
    idle_in_transaction_session_timeout: 10_000,
    idleTimeoutMillis: 5_000,
  })
  // An idle connection that breaks is replaced; without a listener it would end the process.
  pool.on('error', () => {})
  return pool
}
