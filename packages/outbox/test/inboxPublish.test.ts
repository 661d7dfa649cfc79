import { on } from '@posthorn/core'
import type { PublishResult } from '@posthorn/core'
import { createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createInbox, createOutbox, handlersWith } from '../src/index.js'
import type { InboxContext, MemoryTransaction, OutboxEntry, OutboxFollowUpOptions, OutboxWriter } from '../src/index.js'
import { createLedger, entriesIn, envelopeOf, orderPaid, orderPlaced, rejectionCode, startBench } from './fixtures.js'
import type { Bench, Ledger, Order } from './fixtures.js'

type Writer = OutboxWriter<MemoryTransaction>
type Context = InboxContext<MemoryTransaction, OutboxFollowUpOptions>

interface Scene extends Bench {
  readonly ledger: Ledger
  /** What was committed to the outbox. */
  entries(): Promise<readonly OutboxEntry[]>
}

/** A handler that publishes into the outbox of its own transaction. */
async function startScene(
  act: (order: Order, context: Context, call: number) => Promise<void>,
  insert?: Writer['insert'],
): Promise<Scene> {
  const clock = createVirtualClock()
  const ledger = createLedger(clock)
  const store: Writer = { insert: insert ?? ((tx, entries) => ledger.store.insert(tx, entries)) }
  const outbox = createOutbox({ source: '/billing', store, clock })
  const inbox = createInbox({ store: ledger.store, outbox, maintenanceIntervalMs: 0 })
  let calls = 0
  const handler = handlersWith(inbox).on(orderPlaced, async ({ data }, context) => {
    ledger.write(context.tx, data.orderId)
    await act(data, context, (calls += 1))
  })
  const bench = await startBench(handler, { clock })
  return { ...bench, ledger, entries: () => entriesIn(ledger.store) }
}

/** The ids that a handler without an inbox would give its messages. */
async function idsOfPlainHandler(): Promise<string[]> {
  const results: PublishResult[] = []
  const handler = on(orderPlaced, async ({ data }, context) => {
    results.push(await context.publish(orderPaid, data))
    results.push(await context.publish(orderPaid, data, { step: 'again' }))
  })
  const { deliver, service } = await startBench(handler)
  await deliver('o-1', { id: 'm-1' })
  await service.stop()
  return results.map(({ id }) => id)
}

describe('context.publish with an outbox', () => {
  it('stores the message with the effect, caused by the message, under the id that it would have without', async () => {
    const results: PublishResult[] = []
    const { deliver, entries, service } = await startScene(async (order, context) => {
      results.push(await context.publish(orderPaid, order))
      results.push(await context.publish(orderPaid, order, { step: 'again', correlationId: 'c' }))
    })
    await deliver('o-1', { id: 'm-1' })
    const stored = await entries()
    expect(stored.map(({ message }) => message.id)).toEqual(await idsOfPlainHandler())
    expect(results).toEqual(stored.map(({ message }) => ({ id: message.id, routed: undefined })))
    expect(stored.map(envelopeOf)).toMatchObject([
      { source: '/billing', causationid: 'm-1', correlationid: 'm-1', partitionkey: 'o-1' },
      { causationid: 'm-1', correlationid: 'c' },
    ])
    await service.stop()
  })

  it('stores nothing in an attempt that fails, and the same ids in the next', async () => {
    const ids: string[] = []
    const { deliver, entries, ledger, service } = await startScene(async (order, context, call) => {
      ids.push((await context.publish(orderPaid, order)).id)
      if (call === 1) throw new Error('no')
    })
    await deliver('o-1')
    expect(ids).toHaveLength(2)
    expect(ids[0]).toBe(ids[1])
    expect((await entries()).map(({ message }) => message.id)).toEqual([ids[0]])
    expect(ledger.effects).toEqual(['o-1'])
    await service.stop()
  })

  it('refuses the same derived id twice in one attempt, and dead-letters', async () => {
    const { deliver, entries, deadLetters, service } = await startScene(async (order, context) => {
      await context.publish(orderPaid, order)
      await context.publish(orderPaid, order)
    })
    await deliver('o-1')
    expect(await entries()).toEqual([])
    expect(deadLetters[0]).toMatchObject({ reason: 'nonRetryable' })
    await service.stop()
  })

  it('lets the handler go on after a message that was refused, and repeat it', async () => {
    const codes: unknown[] = []
    const { deliver, entries, service } = await startScene(async (order, context) => {
      codes.push(await rejectionCode(context.publish(orderPaid, { orderId: '' }, { partitionKey: 'o-1' })))
      codes.push(await rejectionCode(context.publish(orderPaid, order, { deadlineMs: 5 } as object)))
      await context.publish(orderPaid, order)
    })
    await deliver('o-1')
    expect(codes).toEqual(['POSTHORN_INVALID_DATA', 'POSTHORN_CONFIGURATION'])
    expect(await entries()).toHaveLength(1)
    await service.stop()
  })

  it('can be scheduled', async () => {
    const { deliver, entries, ledger, clock, service } = await startScene(async (order, context) => {
      await context.publish(orderPaid, order, { notBefore: new Date(clock.now() + 1_000) })
    })
    await deliver('o-1')
    expect(await entries()).toEqual([])
    expect(await ledger.store.stats()).toMatchObject({ scheduled: 1 })
    await service.stop()
  })
})

describe('a publish that the handler does not wait for', () => {
  it('is written before the commit', async () => {
    const { deliver, entries, service } = await startScene(async (order, { publish }) => {
      void publish(orderPaid, order)
    })
    await deliver('o-1')
    expect(await entries()).toHaveLength(1)
    await service.stop()
  })

  it('and that fails after the handler has returned fails the attempt', async () => {
    let inserts = 0
    const insert = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve))
      if ((inserts += 1) === 1) throw new Error('connection lost')
    }
    const { deliver, ledger, service } = await startScene(async (order, { publish }) => {
      void publish(orderPaid, order)
    }, insert)
    await deliver('o-1')
    expect(inserts).toBe(2)
    expect(ledger.effects).toEqual(['o-1'])
    await service.stop()
  })

  it('is refused once the transaction has ended', async () => {
    let kept: Context | undefined
    let inserts = 0
    // A handle of which the database cannot tell: its connection works for somebody else by then.
    const insert = async (): Promise<void> => void (inserts += 1)
    const { deliver, service } = await startScene(async (_order, context) => void (kept = context), insert)
    await deliver('o-1')
    expect(await rejectionCode(kept!.publish(orderPaid, { orderId: 'o-1' }))).toBe('POSTHORN_NO_TRANSACTION')
    expect(inserts).toBe(0)
    await service.stop()
  })
})

describe('context.publish without an outbox', () => {
  it('sends at once, as without an inbox, also when the transaction is rolled back', async () => {
    const ledger = createLedger()
    const inbox = createInbox({ store: ledger.store, maintenanceIntervalMs: 0 })
    const results: PublishResult[] = []
    const handler = handlersWith(inbox).on(orderPlaced, async ({ data }, context) => {
      results.push(await context.publish(orderPaid, data, { deadlineMs: 5_000 }))
      if (results.length === 1) throw new Error('no')
    })
    const { deliver, service } = await startBench(handler)
    await deliver('o-1', { id: 'm-1' })
    const [id] = await idsOfPlainHandler()
    expect(results).toEqual([
      { id, routed: false },
      { id, routed: false },
    ])
    await service.stop()
  })
})
