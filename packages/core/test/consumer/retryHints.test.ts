import { describe, expect, it } from 'vitest'
import { on, retryAfter } from '../../src/index.js'
import { orderPlaced, startConsumer } from '../fixtures.js'
import { asks, climb } from '../ladder.js'

describe('hints', () => {
  it('go through the largest rung that fits, and the rest is forwarded without counting', async () => {
    const running = await startConsumer(asks(12_000, { delaysMs: [1_000, 5_000], maxRetryAfterMs: 20_000 }))
    const start = running.clock.now()
    running.order('o-1')
    await running.settle()
    const first = running.transport.sentTo('retry')[0]!
    expect(first.name).toBe('orders.billing.retry.5000')
    expect(first.message.headers).toMatchObject({
      'posthorn-attempt': '2',
      'posthorn-not-before': String(start + 12_000),
    })
    await running.clock.advance(5_000)
    running.transport.redeliver(first)
    await running.settle()
    const second = running.transport.sentTo('retry')[1]!
    expect(second.name).toBe('orders.billing.retry.5000')
    expect(second.message.headers).toEqual({ ...first.message.headers })
    expect(running.consumer.health()).toMatchObject({ retried: 1, forwarded: 1 })
  })

  for (const hintMs of [1, 300, 1_000, 1_001, 1_999, 5_400, 12_000, 19_999]) {
    it(`are never early and at most the smallest rung late: ${hintMs} ms`, async () => {
      const calls: number[] = []
      const running = await startConsumer({
        handlers: [
          on(orderPlaced, () => {
            calls.push(running.clock.now())
            return calls.length === 1 ? retryAfter(hintMs) : undefined
          }),
        ],
        retry: { delaysMs: [1_000, 5_000], maxRetryAfterMs: 20_000 },
      })
      running.order('o-1')
      await climb(running)
      await running.clock.advance(2_000)
      expect(calls).toHaveLength(2)
      expect(calls[1]! - calls[0]!).toBeGreaterThanOrEqual(hintMs)
      expect(calls[1]! - calls[0]!).toBeLessThanOrEqual(hintMs + 1_000)
    })
  }

  it('are cut to the ladder’s largest delay unless maxRetryAfterMs says more', async () => {
    const running = await startConsumer(asks(3_600_000, { delaysMs: [1_000, 5_000] }))
    running.order('o-1')
    await running.settle()
    const { message, name } = running.transport.sent[0]!
    expect(name).toBe('orders.billing.retry.5000')
    expect(message.headers['posthorn-not-before']).toBeUndefined()
  })

  it('count as attempts of the ladder', async () => {
    const running = await startConsumer(asks(1_000, { delaysMs: [1_000, 1_000] }))
    running.order('o-1')
    expect(await climb(running)).toEqual([1_000, 1_000])
    expect(running.transport.sentTo('dead')[0]?.message.headers).toMatchObject({
      'posthorn-reason': 'retriesExhausted',
      'posthorn-attempt': '3',
    })
  })

  it('are honoured where the ladder has no rung that could carry them: never early', async () => {
    const calls: number[] = []
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, () => {
          calls.push(running.clock.now())
          return calls.length === 1 ? retryAfter(20_000) : undefined
        }),
      ],
      retry: { delaysMs: [0], maxRetryAfterMs: 30_000 },
    })
    running.order('o-1')
    await climb(running)
    await running.clock.advance(60_000)
    expect(calls).toHaveLength(2)
    expect(calls[1]! - calls[0]!).toBeGreaterThanOrEqual(20_000)
  })

  it('are honoured by a held key whose ladder has only immediate retries', async () => {
    const calls: number[] = []
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, () => {
          calls.push(running.clock.now())
          return calls.length === 1 ? retryAfter(20_000) : undefined
        }),
      ],
      retry: { delaysMs: [0], maxRetryAfterMs: 30_000 },
      order: { by: 'partitionKey' },
    })
    running.order('o-1', { key: 'k' })
    await running.clock.advance(60_000)
    expect(calls).toHaveLength(2)
    expect(calls[1]! - calls[0]!).toBeGreaterThanOrEqual(20_000)
  })
})
