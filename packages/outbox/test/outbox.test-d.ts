/* Compiled by types.test.ts; nothing runs. An error that does not come is an error itself. */
import { complete, defineCommand, defineEvent, discard, retryAfter } from '@posthorn/core'
import type { HandlerContext, HandlerRegistration } from '@posthorn/core'
import { createInbox, createOutbox, handlersWith } from '../src/index.js'
import type { Inbox, InboxStore, Outbox, OutboxFollowUpOptions, OutboxWriter } from '../src/index.js'

const placed = defineEvent({
  type: 'com.example.placed.v1',
  destination: 'orders',
  schema: {
    type: 'object',
    required: ['orderId'],
    properties: { orderId: { type: 'string' }, lines: { type: 'array', items: { type: 'integer' } } },
    additionalProperties: false,
  },
})
const charge = defineCommand.typed<{ readonly cents: number }>()({
  type: 'com.example.charge.v1',
  destination: 'payments',
  schema: { type: 'object' },
})

interface Tx {
  query(text: string): Promise<void>
}
declare const store: OutboxWriter<Tx> & InboxStore<Tx>
declare const tx: Tx
declare const other: { readonly somebody: 'else' }

// The handle's type follows from the store.
export const outbox: Outbox<Tx> = createOutbox({ source: '/shop', store })
// @ts-expect-error the source is required
createOutbox({ store })
// @ts-expect-error nothing is sent here
createOutbox({ source: '/shop', store, deadlineMs: 5 })

export async function publishing(): Promise<void> {
  const { id } = await outbox.publish(tx, placed, { orderId: 'o', lines: [1] }, { notBefore: new Date(), id: 'x' })
  const known: string = id
  const results = await outbox.publishMany(tx, charge, [{ cents: 5 }], { correlationId: known })
  void results[0]?.id.length
  // @ts-expect-error nobody knows yet
  void results[0]?.routed
  // @ts-expect-error data of another contract
  await outbox.publish(tx, placed, { cents: 5 })
  // @ts-expect-error data of another shape
  await outbox.publish(tx, placed, { orderId: 'o', lines: ['1'] })
  // @ts-expect-error a handle of another database
  await outbox.publish(other, placed, { orderId: 'o' })
  // @ts-expect-error no handle
  await outbox.publish(placed, { orderId: 'o' })
  // @ts-expect-error nothing is sent here, so that there is no deadline
  await outbox.publish(tx, placed, { orderId: 'o' }, { deadlineMs: 5 })
  // @ts-expect-error nor anything to give up
  await outbox.publish(tx, placed, { orderId: 'o' }, { signal: AbortSignal.timeout(5) })
  // @ts-expect-error a time is a Date
  await outbox.publish(tx, placed, { orderId: 'o' }, { notBefore: 5 })
  // @ts-expect-error one id for many messages
  await outbox.publishMany(tx, charge, [{ cents: 5 }], { id: 'x' })
}

const plain = createInbox({ store })
export const withOutbox: Inbox<Tx, OutboxFollowUpOptions> = createInbox({ store, outbox })
// @ts-expect-error an outbox of another database
createInbox({ store, outbox: createOutbox({ source: '/shop', store: {} as OutboxWriter<typeof other> }) })
// @ts-expect-error only these two
createInbox({ store, expired: 'skip' })

// `context.tx` has the store's type; data that of the contract.
const { on, onBatch } = handlersWith(withOutbox)
export const handlers: readonly HandlerRegistration[] = [
  on(placed, async ({ data, envelope }, context) => {
    await context.tx.query(data.orderId)
    void [envelope.data?.lines?.[0]?.toFixed(), context.attempt.toFixed(), context.signal.aborted, context.headers['a']]
    await context.publish(charge, { cents: 5 }, { step: 'a', notBefore: new Date() })
    // @ts-expect-error it is stored, not sent
    await context.publish(charge, { cents: 5 }, { deadlineMs: 5 })
    // @ts-expect-error data of another contract
    await context.publish(charge, data)
    // @ts-expect-error no such column of the handle
    void context.tx.rows
    return data.orderId === '' ? discard('empty') : retryAfter(5)
  }),
  on(charge, () => complete()),
  onBatch(
    charge,
    async (items, { tx: own, publish }) => {
      for (const item of items) await own.query(item.data.cents.toFixed())
      await publish(placed, { orderId: 'o' }, { causedBy: items[0]! })
      // @ts-expect-error a batch has several causes
      await publish(placed, { orderId: 'o' })
    },
    { maxCount: 5 },
  ),
  // @ts-expect-error what is returned is no outcome
  on(charge, () => 'done'),
  // @ts-expect-error a transaction commits for all or for none
  onBatch(charge, (items) => items.map(() => retryAfter(5))),
  // @ts-expect-error also when it is promised
  onBatch(charge, async (items) => items.map(() => complete())),
]

handlersWith(plain).on(charge, async (_message, context) => {
  await context.tx.query('select 1')
  await context.publish(placed, { orderId: 'o' }, { deadlineMs: 5, step: 'a' })
  // @ts-expect-error without an outbox nothing can wait
  await context.publish(placed, { orderId: 'o' }, { notBefore: new Date() })
})

// What handlers share takes either context.
declare function shared(context: HandlerContext): Promise<void>
handlersWith(plain).on(charge, (_message, context) => shared(context))
on(charge, (_message, context) => shared(context))
