import { complete, deadLetter, retryAfter } from '@posthorn/core'
import type { BatchItem } from '@posthorn/core'
import { createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createInbox, createOutbox, handlersWith } from '../src/index.js'
import type { BatchInboxContext, Inbox, MemoryTransaction, OutboxFollowUpOptions } from '../src/index.js'
import { createLedger, entriesIn, envelopeOf, orderPaid, orderPlaced, startBench } from './fixtures.js'
import type { Bench, Ledger, Order } from './fixtures.js'

type Context = BatchInboxContext<MemoryTransaction, OutboxFollowUpOptions>
type Act = (items: readonly BatchItem<Order>[], context: Context, call: number) => void | Promise<void>

interface Scene extends Bench {
  readonly ledger: Ledger
  readonly inbox: Inbox<MemoryTransaction, OutboxFollowUpOptions>
  /** Order ids of the items of each call. */
  readonly calls: readonly string[][]
  /** Delivers these so that they come as one batch. */
  batch(...ids: readonly string[]): Promise<void>
}

async function startScene(act: Act = () => {}, expired: 'deadLetter' | 'handle' = 'deadLetter'): Promise<Scene> {
  const clock = createVirtualClock()
  const ledger = createLedger(clock)
  const outbox = createOutbox({ source: '/billing', store: ledger.store, clock })
  const inbox = createInbox({ store: ledger.store, outbox, expired, maintenanceIntervalMs: 0 })
  const calls: string[][] = []
  const handler = handlersWith(inbox).onBatch(
    orderPlaced,
    (items, context) => {
      calls.push(items.map(({ envelope }) => envelope.id))
      for (const { envelope } of items) ledger.write(context.tx, envelope.id)
      return act(items, context, calls.length)
    },
    { maxCount: 10, maxWaitMs: 50 },
  )
  const bench = await startBench(handler, { clock })
  return {
    ...bench,
    ledger,
    inbox,
    calls,
    async batch(...ids) {
      const time = (id: string): { time?: Date } => (id.startsWith('old') ? { time: new Date(0) } : {})
      await Promise.all(ids.map((id) => bench.service.publish(orderPlaced, { orderId: 'o' }, { id, ...time(id) })))
      await clock.advance(1_000)
    },
  }
}

describe('a batch', () => {
  it('is one transaction, without what was handled before and without what stands in it twice', async () => {
    const { batch, calls, ledger, inbox, service } = await startScene()
    await batch('a', 'b')
    await batch('b', 'c', 'c')
    expect(calls).toEqual([['a', 'b'], ['c']])
    expect(ledger.effects).toEqual(['a', 'b', 'c'])
    expect(inbox.health()).toMatchObject({ handled: 3, duplicates: 2 })
    await service.stop()
  })

  it('of nothing but duplicates does not call the handler', async () => {
    const { batch, calls, service } = await startScene()
    await batch('a', 'b')
    await batch('b', 'a')
    expect(calls).toHaveLength(1)
    expect(service.health().consumers[0]).toMatchObject({ inFlight: 0, deadLettered: 0 })
    await service.stop()
  })

  it('that throws leaves nothing behind, and is handled whole by the next attempt', async () => {
    const { batch, calls, ledger, service } = await startScene((_items, _context, call) => {
      if (call === 1) throw new Error('no')
    })
    await batch('a', 'b')
    expect(calls[0]).toEqual(['a', 'b'])
    expect(calls.slice(1).flat().toSorted()).toEqual(['a', 'b'])
    expect(ledger.effects.toSorted()).toEqual(['a', 'b'])
    await service.stop()
  })

  it('dead-letters what is older than what is remembered, and handles the others', async () => {
    const { batch, calls, deadLetters, inbox, service } = await startScene()
    await batch('a', 'old-1', 'b')
    expect(calls).toEqual([['a', 'b']])
    expect(deadLetters.map(({ envelope }) => envelope?.id)).toEqual(['old-1'])
    expect(inbox.health()).toMatchObject({ handled: 2, expired: 1 })
    await service.stop()
  })

  it('handles also what is older where that is allowed', async () => {
    const { batch, calls, inbox, service } = await startScene(undefined, 'handle')
    await batch('a', 'old-1')
    expect(calls).toEqual([['a', 'old-1']])
    expect(inbox.health()).toMatchObject({ handled: 2, expired: 1 })
    await service.stop()
  })

  it('publishes into its transaction, each message caused by an item', async () => {
    const { batch, ledger, service } = await startScene(async (items, context) => {
      for (const item of items) await context.publish(orderPaid, item.data, { causedBy: item })
    })
    await batch('a', 'b')
    const causes = (await entriesIn(ledger.store)).map((entry) => envelopeOf(entry).causationid)
    expect(causes).toEqual(['a', 'b'])
    await service.stop()
  })

  it.each([
    ['retryAfter', [retryAfter(5), complete()]],
    ['deadLetter', [deadLetter('bad'), undefined]],
    ['nonsense', 'done'],
  ])('whose handler returns %s is refused: nothing is committed', async (_name, result) => {
    const { batch, ledger, deadLetters, service } = await startScene((() => result) as unknown as Act)
    await batch('a', 'b')
    expect(ledger.effects).toEqual([])
    expect(deadLetters.map(({ reason }) => reason)).toEqual(['nonRetryable', 'nonRetryable'])
    await service.stop()
  })

  it('whose handler returns that all are complete is fine', async () => {
    const { batch, ledger, service } = await startScene((() => [complete(), undefined]) as unknown as Act)
    await batch('a', 'b')
    expect(ledger.effects).toEqual(['a', 'b'])
    await service.stop()
  })

  it('is written in one order everywhere, so that two with the same messages do not wait for each other', async () => {
    const { store } = createLedger()
    const orders: string[][] = []
    const spying = {
      ...store,
      remember: (tx: MemoryTransaction, keys: Parameters<typeof store.remember>[1]) => {
        orders.push(keys.map(({ id }) => id))
        return store.remember(tx, keys)
      },
    }
    const inbox = createInbox({ store: spying, maintenanceIntervalMs: 0 })
    const handler = handlersWith(inbox).onBatch(orderPlaced, () => {}, { maxCount: 3, maxWaitMs: 50 })
    const { service, clock } = await startBench(handler)
    for (const ids of [
      ['b', 'a', 'c'],
      ['c', 'b', 'a'],
    ]) {
      // prettier-ignore
      await Promise.all(ids.map((id) => service.publish(orderPlaced, { orderId: 'o' }, { id })))
      await clock.advance(1_000)
    }
    expect(orders).toEqual([['a', 'b', 'c'], ['a', 'b', 'c']]) // prettier-ignore
    await service.stop()
  })
})
