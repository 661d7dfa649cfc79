import { describe, expect, it } from 'vitest'
import { onBatch, retryAfter } from '../../src/index.js'
import type { ConsumerOptions } from '../../src/index.js'
import { createGate } from '../fakeTransport.js'
import type { Gate } from '../fakeTransport.js'
import { orderPlaced, startConsumer } from '../fixtures.js'
import type { Running } from '../fixtures.js'

describe('batches', () => {
  function batching(more: { maxCount?: number; maxWaitMs?: number } = {}): {
    options: ConsumerOptions
    calls: string[][]
    attempts: number[][]
  } {
    const calls: string[][] = []
    const attempts: number[][] = []
    const options: ConsumerOptions = {
      handlers: [
        onBatch(
          orderPlaced,
          (items) => {
            calls.push(items.map(({ envelope }) => envelope.id))
            attempts.push(items.map(({ attempt }) => attempt))
            return items.map(({ envelope }) => (envelope.id.startsWith('bad') ? retryAfter(1_000) : undefined))
          },
          { maxCount: 3, maxWaitMs: 200, ...more },
        ),
      ],
      retry: { delaysMs: [1_000, 1_000] },
    }
    return { options, calls, attempts }
  }
  const deliver = (running: Running, ...ids: string[]): void => {
    for (const id of ids) running.order(id)
  }

  it('are handed over when they are full', async () => {
    const { options, calls } = batching()
    const running = await startConsumer(options)
    deliver(running, 'a', 'b', 'c', 'd')
    await running.settle()
    expect(calls).toEqual([['a', 'b', 'c']])
  })

  it('are handed over when their first item has waited long enough', async () => {
    const { options, calls } = batching()
    const running = await startConsumer(options)
    deliver(running, 'a')
    await running.clock.advance(150)
    deliver(running, 'b')
    await running.clock.advance(49)
    expect(calls).toEqual([])
    await running.clock.advance(1)
    expect(calls).toEqual([['a', 'b']])
    deliver(running, 'c')
    await running.clock.advance(199)
    expect(calls).toHaveLength(1)
    await running.clock.advance(1)
    expect(calls).toEqual([['a', 'b'], ['c']])
  })

  it('settle and count attempts per item', async () => {
    const { options, attempts } = batching()
    const running = await startConsumer(options)
    running.order('a')
    running.order('bad')
    running.order('b', { headers: { 'posthorn-attempt': '2' } })
    await running.settle()
    expect(attempts).toEqual([[1, 1, 2]])
    expect(running.transport.sent.map(({ message }) => [message.id, message.headers['posthorn-attempt']])).toEqual([
      ['bad', '2'],
    ])
    expect(running.consumer.health()).toMatchObject({ handled: 2, retried: 1, running: 0, inFlight: 0 })
  })

  it('take one slot each, and hold at most one message of a key', async () => {
    const gates: Gate[] = []
    const sizes: string[][] = []
    const running = await startConsumer({
      handlers: [
        onBatch(
          orderPlaced,
          (items) => {
            sizes.push(items.map(({ envelope }) => envelope.id))
            const gate = createGate()
            gates.push(gate)
            return gate.promise
          },
          { maxCount: 2, maxWaitMs: 10 },
        ),
      ],
      concurrency: 1,
      order: { by: 'partitionKey' },
    })
    for (const [id, key] of [
      ['a1', 'a'],
      ['a2', 'a'],
      ['b1', 'b'],
      ['c1', 'c'],
    ] as const)
      running.order(id, { id, key })
    await running.clock.advance(10)
    expect(sizes).toEqual([['a1', 'b1']])
    expect(running.consumer.health().running).toBe(1)
    gates[0]!.open()
    await running.clock.advance(10)
    expect(sizes).toHaveLength(2)
    expect(sizes[1]?.toSorted()).toEqual(['a2', 'c1'])
  })

  it('are failed as a whole by a throw, each item with its own attempt', async () => {
    const running = await startConsumer({
      handlers: [
        onBatch(
          orderPlaced,
          () => {
            throw new Error('no')
          },
          { maxCount: 2 },
        ),
      ],
      retry: { delaysMs: [1_000, 5_000] },
    })
    running.order('a')
    running.order('b', { headers: { 'posthorn-attempt': '2' } })
    await running.settle()
    expect(running.transport.sent.map(({ name }) => name)).toEqual([
      'orders.billing.retry.1000',
      'orders.billing.retry.5000',
    ])
    expect(running.consumer.health()).toMatchObject({ running: 0, inFlight: 0 })
  })

  it('that are not full are released when the consumer stops', async () => {
    const { options, calls } = batching({ maxWaitMs: 60_000 })
    const running = await startConsumer(options)
    const delivery = running.order('a')
    await running.settle()
    await running.service.stop()
    expect(delivery.ends).toEqual(['release'])
    expect(calls).toEqual([])
  })

  it('free their slot once when their items are held', async () => {
    const running = await startConsumer({
      handlers: [
        onBatch(orderPlaced, (items) => items.map(({ attempt }) => (attempt < 3 ? retryAfter(500) : undefined)), {
          maxCount: 2,
          maxWaitMs: 5,
        }),
      ],
      retry: { delaysMs: [1_000, 1_000] },
      concurrency: 1,
      order: { by: 'partitionKey', onRetry: 'holdKey', maxHeldKeys: 1 },
    })
    for (const id of ['a', 'b', 'c', 'd', 'e']) running.order(id, { key: id })
    await running.clock.advance(60_000)
    expect(running.consumer.health()).toMatchObject({ handled: 5, running: 0, held: 0, inFlight: 0 })
  })
})
