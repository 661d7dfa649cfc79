import { describe, expect, it } from 'vitest'
import { on, onBatch } from '../../src/index.js'
import { createGate } from '../fakeTransport.js'
import type { FakeDelivery } from '../fakeTransport.js'
import { messageOf, orderPlaced, startConsumer } from '../fixtures.js'
import type { Running } from '../fixtures.js'
import { gatedHandlers } from '../gatedHandlers.js'

function deliver({ transport }: Running, id: string, lost: AbortSignal): FakeDelivery {
  return transport.deliver({ ...messageOf(orderPlaced, { orderId: id }, { id }), partitionKey: 'k', lost })
}

describe('a delivery that the broker has taken away', () => {
  it('fires the signal of its handler, and of no other', async () => {
    const signals = new Map<string, AbortSignal>()
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, async ({ envelope }, { signal }) => {
          signals.set(envelope.id, signal)
          await new Promise(() => {})
        }),
      ],
    })
    const [mine, others] = [new AbortController(), new AbortController()]
    deliver(running, 'm-1', mine.signal)
    deliver(running, 'm-2', others.signal)
    deliver(running, 'm-3', mine.signal)
    mine.abort()
    expect([...signals].filter(([, { aborted }]) => aborted).map(([id]) => id)).toEqual(['m-1', 'm-3'])
    expect(signals.get('m-1')!.reason).toMatchObject({ code: 'POSTHORN_SETTLEMENT' })
  })

  it('is neither retried nor put aside by us when its handler fails: somebody else has it', async () => {
    const gate = createGate()
    const running = await startConsumer({
      handlers: [on(orderPlaced, () => gate.promise)],
      retry: { delaysMs: [] },
    })
    const lost = new AbortController()
    const delivery = deliver(running, 'm-1', lost.signal)
    lost.abort()
    gate.fail(new Error('aborted'))
    await running.settle()
    expect(delivery.ends).toEqual(['release'])
    expect(running.transport.sent).toEqual([])
  })

  it('keeps its key until its handler has ended, and what waits behind it is not handled', async () => {
    const { options, gates, started } = gatedHandlers()
    const running = await startConsumer({ ...options, order: { by: 'partitionKey' } })
    const [before, after] = [new AbortController(), new AbortController()]
    deliver(running, 'm-1', before.signal)
    const waiting = deliver(running, 'm-2', before.signal)
    before.abort()
    // The partition is ours again.
    deliver(running, 'm-1', after.signal)
    await running.settle()
    expect(started).toEqual(['m-1'])
    gates.get('m-1')!.open()
    await running.settle()
    expect(waiting.ends).toEqual(['release'])
    expect(started).toEqual(['m-1', 'm-1'])
  })

  it('does not abort a batch of which something is left to be done', async () => {
    let signal: AbortSignal | undefined
    const running = await startConsumer({
      handlers: [
        onBatch(
          orderPlaced,
          async (_items, context) => {
            signal = context.signal
            await new Promise(() => {})
          },
          { maxCount: 2, maxWaitMs: 1_000 },
        ),
      ],
    })
    const [one, other] = [new AbortController(), new AbortController()]
    deliver(running, 'm-1', one.signal)
    deliver(running, 'm-2', other.signal)
    await running.settle()
    one.abort()
    expect(signal!.aborted).toBe(false)
    other.abort()
    expect(signal!.aborted).toBe(true)
  })
})
