import { randomUUID } from 'node:crypto'
import type { BatchItem, Middleware, Service } from '@posthorn/core'
import { handlersWith } from '@posthorn/outbox'
import type { Queries, ServiceDatabase } from '../database/shopDatabase.js'
import { orderPaid, orderPlaced, orderRejected, userRegistered } from '../contracts.js'
import type { OrderPlaced, UserRegistered } from '../contracts.js'
import { idKey } from '../idKey.js'
import { ShopError } from '../shopError.js'
import { createStoringService } from '../shopService.js'
import type { StoringServiceOptions } from '../shopService.js'
import { createKnownUsers } from './knownUsers.js'
import type { KnownUsers, UserLookup } from './knownUsers.js'

/** Where an order stands. */
export type OrderStatus = 'placed' | 'paid' | 'rejected'

export interface OrderServiceOptions extends StoringServiceOptions {
  /** Shared by incarnations of the service in one process. @default its own */
  readonly users?: KnownUsers
}

/** Takes orders of known users, and follows what becomes of them. */
export interface OrderService {
  readonly service: Service
  readonly users: KnownUsers
  /**
   * Resolves when the order and the event that tells of it are committed, in one transaction. Rejects with
   * `SHOP_UNKNOWN_USER`, or as `outbox.publish` does: the contract's schema decides what an order is. Placing it again with the
   * same `id` does nothing; without an id it is told twice and charged once, since its own id is the idempotency key
   * of the payment.
   */
  place(order: unknown, options?: { readonly id?: string }): Promise<void>
  statusOf(orderId: string): Promise<OrderStatus | undefined>
}

/** One transaction for many outcomes: nothing can go wrong with one and not with the others. */
const batch = { maxCount: 100, maxWaitMs: 20 }

/** Makes the service. It needs a relay beside it, or attached. */
export function createOrderService(options: OrderServiceOptions): OrderService {
  const { database } = options
  const { service, outbox, inbox } = createStoringService('/shop/orders', options, [orderPlaced])
  const users = options.users ?? createKnownUsers(userLookup(database))
  const inTransaction = handlersWith(inbox)

  service.consume('orders', {
    handlers: [
      inTransaction.on(userRegistered, ({ data }, { tx }) => addUser(tx, data.userId)),
      inTransaction.onBatch(orderPaid, (items, { tx }) => answer(tx, items, 'paid'), batch),
      inTransaction.onBatch(orderRejected, (items, { tx }) => answer(tx, items, 'rejected'), batch),
    ],
    retry: { delaysMs: [0, 1_000] }, // Its handlers have little to fail at; each delay is a queue or a topic.
    concurrency: 32,
    maxInFlight: 1_000,
    middleware: [...(options.middleware ?? []), noteUsers(users)],
  })

  async function addUser(tx: Queries, userId: string): Promise<void> {
    await tx.query(`insert into ${database.schema}.users values ($1) on conflict do nothing`, [idKey(userId)])
  }

  /** An outcome answers the event that caused it: an order that was placed twice gets two answers. */
  async function answer(tx: Queries, outcomes: readonly BatchItem[], status: OrderStatus): Promise<void> {
    const text = `update ${database.schema}.orders o set status = $2, answers = answers + given.count
      from (select message_id, count(*) from unnest($1::text[]) as message_id group by 1) given
      where o.message_id = given.message_id`
    await tx.query(text, [outcomes.map(({ envelope }) => envelope.causationid ?? ''), status])
  }

  return {
    service,
    users,
    async place(order, { id = randomUUID() } = {}) {
      const userId = userIdOf(order)
      if (userId !== undefined && !(await users.has(userId))) {
        throw new ShopError('SHOP_UNKNOWN_USER', '/userId names a user who is not registered')
      }
      const insert = `insert into ${database.schema}.orders (message_id, order_key) values ($1, $2)
        on conflict do nothing returning message_id`
      try {
        await database.store.transaction(async (tx) => {
          // First, because it says whether this is an order at all.
          await outbox.publish(tx, orderPlaced, order as OrderPlaced, { id })
          const { rows } = await tx.query(insert, [id, idKey((order as OrderPlaced).orderId)])
          if (rows.length === 0) throw placedBefore
        })
      } catch (error) {
        if (error !== placedBefore) throw error
      }
    },
    async statusOf(orderId) {
      const text = `select status from ${database.schema}.orders where order_key = $1 order by placed_at desc limit 1`
      const { rows } = await database.query(text, [idKey(orderId)])
      return (rows as { readonly status: OrderStatus }[])[0]?.status
    },
  }
}

/** Rolls back a second placing with the same id, event and all. */
const placedBefore = new Error('This order was placed before')

/** Around the inbox's transaction: what is noted has been committed. */
function noteUsers(users: KnownUsers): Middleware {
  return async ({ contract, items }, next) => {
    const handled = await next()
    if (contract.type === userRegistered.type) users.add((items[0]!.data as UserRegistered).userId)
    return handled
  }
}

/** Looks users up in the table of the order service. */
export function userLookup({ schema, query }: Pick<ServiceDatabase, 'schema' | 'query'>): UserLookup {
  return async (keys) => {
    const { rows } = await query(`select user_key from ${schema}.users where user_key = any ($1)`, [[...keys]])
    return (rows as { readonly user_key: string }[]).map(({ user_key }) => user_key)
  }
}

/** The user of what may be an order; undefined leaves it to the schema to say what is wrong. */
export function userIdOf(order: unknown): string | undefined {
  if (typeof order !== 'object' || order === null) return undefined
  const { userId } = order as { readonly userId?: unknown }
  return typeof userId === 'string' && userId !== '' ? userId : undefined
}
