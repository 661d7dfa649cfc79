import type { Listener, ListenerEvents } from '@posthorn/outbox'
import type { PgPool } from './executors/pgTypes.js'
import { withDeadline } from './withDeadline.js'

/** The timings of connections. */
export interface PgTimings {
  readonly timeoutMs: number
  readonly keepAliveMs: number
}

/** A connection as the pool makes them. */
interface ListeningClient {
  /** The number of the server process, as whoever let the client in says. */
  readonly processID?: number | null
  connect(): Promise<unknown>
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>
  end(): Promise<void>
  on(event: string, listener: (value: unknown) => void): unknown
}

interface PoolInside {
  readonly Client: new (options: unknown) => ListeningClient
  readonly options: unknown
}

/** How long a notification may take on its way through a pooler, in milliseconds; shorter than a lease. */
const probeMs = 2_000

/**
 * Listens on a connection of its own, and asks it from time to time whether it lives. Undefined where a pooler lets the LISTEN
 * pass and no notification: PgBouncer in transaction mode gives the connection to another client behind it.
 */
export async function listenOnPg(
  pool: PgPool,
  channel: string,
  { events, timings }: { readonly events: ListenerEvents; readonly timings: PgTimings },
): Promise<Listener | undefined> {
  const { Client, options } = pool as unknown as PoolInside
  const client = new Client(options)
  let timer: NodeJS.Timeout | undefined
  let over = false
  const end = (): void => {
    over = true
    clearTimeout(timer)
    client.end().catch(() => {}) // It is broken already: there is nobody to say goodbye to.
  }
  const lose = (error: unknown): void => {
    if (over) return
    end()
    events.onLost(error)
  }
  client.on('notification', () => void (!over && events.onHint()))
  client.on('error', lose)
  client.on('end', () => lose(new Error('Connection terminated')))
  const { timeoutMs, keepAliveMs } = timings
  const question = { client, pool, channel, timeoutMs }
  try {
    await withDeadline(timeoutMs, () => client.connect())
    const isDirect = await isServersOwn(question)
    await withDeadline(timeoutMs, () => client.query(`listen ${channel}`))
    if (!isDirect && !(await isHeard(question))) {
      // The server's connection is somebody else's by now, most likely still the same one.
      await withDeadline(timeoutMs, () => client.query(`unlisten ${channel}`))
      end()
      return undefined
    }
  } catch (error) {
    end()
    throw error
  }
  // A connection that a firewall has dropped says nothing: only a question that gets no answer shows it.
  const ask = (): void => {
    timer = setTimeout(() => void withDeadline(timeoutMs, () => client.query('select 1')).then(ask, lose), keepAliveMs)
    timer.unref()
  }
  if (!over) ask()
  return { close: async () => void (!over && end()) }
}

interface Question {
  readonly client: ListeningClient
  readonly pool: PgPool
  readonly channel: string
  readonly timeoutMs: number
}

/** Whether nothing is between: a pooler gives its clients numbers of its own (PgBouncer: random ones). */
async function isServersOwn({ client, timeoutMs }: Question): Promise<boolean> {
  const { rows } = await withDeadline(timeoutMs, () => client.query('select pg_backend_pid()::text as pid'))
  return (rows[0] as { pid?: unknown } | undefined)?.pid === String(client.processID)
}

/** Whether what others notify gets here; only trying tells what a pooler does with it. */
function isHeard({ client, pool, channel, timeoutMs }: Question): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), Math.min(probeMs, timeoutMs))
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      end()
    }
    client.on('notification', () => settle(() => resolve(true)))
    client.on('end', () => settle(() => reject(new Error('Connection terminated'))))
    const notify = { text: `select pg_notify('${channel}', '')`, values: [] }
    pool.query(notify).catch((error: unknown) => settle(() => reject(error)))
  })
}
