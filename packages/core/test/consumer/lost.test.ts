import { describe, expect, it } from 'vitest'
import { PublishError } from '../../src/errors.js'
import { on, onBatch } from '../../src/index.js'
import { createGate } from '../fakeTransport.js'
import type { FakeDelivery } from '../fakeTransport.js'
import { messageOf, orderPaid, orderPlaced, startConsumer } from '../fixtures.js'
import type { Running } from '../fixtures.js'
import { gatedHandlers } from '../gatedHandlers.js'

function deliver({ transport }: Running, id: string, lost: AbortSignal): FakeDelivery {
  return transport.deliver({ ...messageOf(orderPlaced, { orderId: id }, { id }), partitionKey: 'k', lost })
}

/** A consumer whose handler fails for good, and what gives it a message. */
async function startFailing(): Promise<{ running: Running; deliver: (lost: AbortSignal) => FakeDelivery }> {
  const handler = on(orderPlaced, () => {
    throw new Error('no')
  })
  const running = await startConsumer({ handlers: [handler], retry: { delaysMs: [] } })
  let count = 0
  return { running, deliver: (lost) => deliver(running, `m-${(count += 1)}`, lost) }
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

  it('is let go at once when no handler has it: in its lane, for want of a slot, and before its next attempt', async () => {
    const gate = createGate()
    const started: string[] = []
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, async ({ envelope }) => {
          started.push(envelope.id)
          if (envelope.id.startsWith('bad')) throw new Error('not yet')
          await gate.promise
        }),
      ],
      concurrency: 1,
      retry: { delaysMs: [60_000] },
      order: { by: 'partitionKey', onRetry: 'holdKey' },
    })
    const [before, after] = [new AbortController(), new AbortController()]
    const take = (id: string, partitionKey: string, { signal }: AbortController): FakeDelivery =>
      running.transport.deliver({ ...messageOf(orderPlaced, { orderId: id }, { id }), partitionKey, lost: signal })
    const waiting = [take('bad-1', 'a', before), take('bad-2', 'a', before)]
    await running.settle()
    const handled = take('slow-3', 'b', before)
    waiting.push(take('slow-4', 'b', before), take('slow-5', 'c', before), take('slow-6', 'c', before))
    const others = [take('slow-7', 'b', after), take('slow-8', 'c', after)]
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ inFlight: 8, running: 1, held: 1 })
    before.abort()
    expect(waiting.map(({ ends }) => ends)).toEqual(waiting.map(() => ['release']))
    expect(running.consumer.health()).toMatchObject({ inFlight: 3, running: 1, held: 0, released: 5 })
    gate.open()
    await running.clock.advance(120_000)
    expect(started).toEqual(['bad-1', 'slow-3', 'slow-8', 'slow-7'])
    expect([handled, ...others].map(({ ends }) => ends)).toEqual([['complete'], ['complete'], ['complete']])
    expect(running.consumer.health()).toMatchObject({ inFlight: 0, running: 0, handled: 3, released: 5 })
    expect(running.transport.sent).toEqual([])
  })

  it('leaves a batch that is collected, and one that waits for a slot; the others of it stay', async () => {
    const batches: string[][] = []
    const gate = createGate()
    const collect = onBatch(orderPlaced, (items) => void batches.push(items.map(({ envelope }) => envelope.id)), {
      maxCount: 3,
      maxWaitMs: 1_000,
    })
    const running = await startConsumer({ handlers: [collect, on(orderPaid, () => gate.promise)], concurrency: 1 })
    const [early, mine, others] = [new AbortController(), new AbortController(), new AbortController()]
    const collected = deliver(running, 'm-1', early.signal)
    await running.settle()
    early.abort()
    expect(collected.ends).toEqual(['release'])
    await running.clock.advance(500)
    const ends = [mine, others].map(({ signal }, index) => deliver(running, `m-${index + 2}`, signal).ends)

    running.order('paid', { contract: orderPaid })
    await running.clock.advance(1_000)
    mine.abort()
    expect(ends).toEqual([['release'], []])
    gate.open()
    await running.clock.advance(10_000)
    expect(batches).toEqual([['m-3']])
    expect(running.consumer.health()).toMatchObject({ inFlight: 0, running: 0, handled: 2, released: 2 })
  })

  it('is not copied any more when the broker does not take its copy: whoever has it makes one', async () => {
    const { running, deliver: fail } = await startFailing()
    running.transport.answer = () =>
      Promise.reject(new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' }))
    const lost = new AbortController()
    const delivery = fail(lost.signal)
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ stuck: 1, inFlight: 1 })
    const { length } = running.transport.sent
    lost.abort()
    await running.settle()
    expect(delivery.ends).toEqual(['release'])
    await running.clock.advance(60_000)
    expect(running.transport.sent).toHaveLength(length)
    expect(running.consumer.health()).toMatchObject({ stuck: 0, inFlight: 0, deadLettered: 0, released: 1 })
  })

  it('is let go when the copy that was under way is not taken, and ends with it when it is', async () => {
    const { running, deliver: fail } = await startFailing()
    const answers = [createGate(), createGate()]
    let asked = 0
    running.transport.answer = () => answers[asked++]!.promise.then(() => ({ routed: true }))
    const lost = new AbortController()
    const deliveries = [fail(lost.signal), fail(lost.signal)]
    await running.settle()
    lost.abort()
    await running.settle()
    expect(deliveries.map(({ ends }) => ends)).toEqual([[], []])
    answers[0]!.open()
    answers[1]!.fail(new Error('connection lost'))
    await running.clock.advance(60_000)
    expect(deliveries.map(({ ends }) => ends)).toEqual([['complete'], ['release']])
    expect(running.transport.sent).toHaveLength(2)
    expect(running.consumer.health()).toMatchObject({ stuck: 0, inFlight: 0, deadLettered: 1, released: 1 })
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
