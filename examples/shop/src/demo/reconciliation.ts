import type { DatabaseName, ServiceDatabase } from '../database/shopDatabase.js'

/** What the tables say at the end of a run, read by SQL. */
export interface DatabaseCounts {
  readonly name: DatabaseName
  /** Orders that the order service has committed. */
  readonly orders: number
  /** Of these, those whose event has left the outbox: a relay deletes it once the broker has confirmed it. */
  readonly placedEvents: number
  /** Rows of the payment worker: `charged` and `declined` together. */
  readonly payments: number
  readonly charged: number
  readonly declined: number
  /** Orders of whose outcome the order service has heard. */
  readonly answered: number
  /** Effects beyond an order's first: payments, and answers. */
  readonly repeated: number
  /** Payments of orders that are not in the database. */
  readonly ghosts: number
  /** Entries that are still in an outbox. */
  readonly waiting: number
}

/** The counts of both sides that must agree. */
interface Balanced {
  readonly published: number
  readonly handled: number
  readonly database: DatabaseCounts
}

/** Whether orders = events = payments, each once; those that were dead-lettered are the only ones without a payment. */
export function reconciles({ published, handled, database }: Balanced): boolean {
  const { orders, placedEvents, payments, answered, repeated, ghosts, waiting } = database
  const isWhole = orders === published && placedEvents === orders
  const isHandled = payments === handled && answered === handled
  return isWhole && isHandled && repeated === 0 && ghosts === 0 && waiting === 0
}

/** The databases of the two services. That they are in one server is the demo's luck, and the services do not use it. */
export interface BothSides {
  readonly orders: ServiceDatabase
  readonly payments: ServiceDatabase
}

const countsOf = (o: string, p: string): string => `
select
  (select count(*) from ${o}.orders) as orders,
  (select count(*) from ${o}.orders r where not exists
    (select from ${o}.outbox e where e.event_id = r.message_id)) as "placedEvents",
  (select count(*) from ${p}.payments) as payments,
  (select count(*) from ${p}.payments where outcome = 'paid') as charged,
  (select count(*) from ${p}.payments where outcome = 'declined') as declined,
  (select count(*) from ${o}.orders where answers > 0) as answered,
  (select count(*) - count(distinct message_id) from ${p}.payments)
    + (select coalesce(sum(greatest(answers - 1, 0)), 0) from ${o}.orders) as repeated,
  (select count(*) from ${p}.payments y where not exists
    (select from ${o}.orders r where r.message_id = y.message_id)) as ghosts,
  (select count(*) from ${o}.outbox) + (select count(*) from ${p}.outbox) as waiting`

export async function countDatabase(name: DatabaseName, { orders, payments }: BothSides): Promise<DatabaseCounts> {
  const { rows } = await orders.query(countsOf(orders.schema, payments.schema))
  const counts = Object.entries(rows[0] as Record<string, unknown>).map(([key, count]) => [key, Number(count)])
  return { name, ...(Object.fromEntries(counts) as Omit<DatabaseCounts, 'name'>) }
}

export async function entriesWaiting({ orders, payments }: BothSides): Promise<number> {
  const text = `select (select count(*) from ${orders.schema}.outbox) + (select count(*) from ${payments.schema}.outbox) as count`
  const { rows } = await orders.query(text)
  return Number((rows as { count: unknown }[])[0]?.count)
}

/** What the tables know of orders whose news may have died with a process. */
export interface Standing {
  readonly messageId: string
  readonly isPublished: boolean
  readonly isCharged: boolean
  readonly status: 'placed' | 'paid' | 'rejected'
}

/** Where these orders stand; none of those that are not committed. */
export async function standingsOf(
  { orders, payments }: BothSides,
  messageIds: readonly string[],
): Promise<readonly Standing[]> {
  const text = `
select r.message_id as "messageId", r.status,
  not exists (select from ${orders.schema}.outbox e where e.event_id = r.message_id) as "isPublished",
  exists (select from ${payments.schema}.payments y where y.message_id = r.message_id) as "isCharged"
from ${orders.schema}.orders r where r.message_id = any ($1)`
  return (await orders.query(text, [[...messageIds]])).rows as Standing[]
}
