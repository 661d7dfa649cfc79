import { describe, expect, it } from 'vitest'
import { on } from '../../src/index.js'
import type { HandlerContext } from '../../src/index.js'
import { messageOf, orderPlaced, startConsumer } from '../fixtures.js'
import { asks, climb, fails } from '../ladder.js'

describe('the ladder', () => {
  it('goes rung by rung, counting attempts on the copies, and ends in the dead letters', async () => {
    const seen: HandlerContext[] = []
    const running = await startConsumer(fails({ retry: { delaysMs: [1_000, 5_000, 30_000] } }, seen))
    running.order('o-1')
    expect(await climb(running)).toEqual([1_000, 5_000, 30_000])
    expect(seen.map((context) => context.attempt)).toEqual([1, 2, 3, 4])
    const attempts = running.transport.sentTo('retry').map(({ message }) => message.headers['posthorn-attempt'])
    expect(attempts).toEqual(['2', '3', '4'])
    const [dead] = running.transport.sentTo('dead')
    expect(dead?.message.headers).toMatchObject({ 'posthorn-reason': 'retriesExhausted', 'posthorn-attempt': '4' })
    expect(running.transport.deliveries.flatMap(({ ends }) => ends)).toEqual(Array(4).fill('complete'))
  })

  it('repeats at once for a delay of 0, in process, and counts it', async () => {
    const seen: HandlerContext[] = []
    const running = await startConsumer(fails({ retry: { delaysMs: [0, 0, 1_000] } }, seen))
    const delivery = running.order('o-1')
    await running.settle()
    expect(seen.map((context) => context.attempt)).toEqual([1, 2, 3])
    expect(running.transport.sent.map(({ name }) => name)).toEqual(['orders.billing.retry.1000'])
    expect(running.transport.sent[0]?.message.headers['posthorn-attempt']).toBe('4')
    expect(delivery.ends).toEqual(['complete'])
  })

  it('keeps the time of the first failure on every copy', async () => {
    const running = await startConsumer(fails({ retry: { delaysMs: [1_000, 5_000] } }))
    const start = new Date(running.clock.now()).toISOString()
    running.order('o-1')
    await climb(running)
    const copies = running.transport.sent.map(({ message }) => message.headers['posthorn-first-failed-at'])
    expect(copies).toEqual([start, start, start])
    const dead = running.transport.sentTo('dead')[0]!.message.headers
    expect(Date.parse(dead['posthorn-last-failed-at']!) - Date.parse(start)).toBe(6_000)
  })

  it('says when it first failed also where all retries were in process', async () => {
    const running = await startConsumer(
      fails({ retry: { delaysMs: [1_000, 5_000] }, order: { by: 'partitionKey', onRetry: 'holdKey' } }),
    )
    const start = new Date(running.clock.now()).toISOString()
    running.order('o-1', { key: 'k' })
    await running.clock.advance(10_000)
    const dead = running.transport.sentTo('dead')[0]!.message.headers
    expect(dead['posthorn-attempt']).toBe('3')
    expect(dead['posthorn-first-failed-at']).toBe(start)
  })

  it('keeps body, content type, id, type and partition key of the original on copies', async () => {
    const running = await startConsumer(fails({ retry: { delaysMs: [1_000] } }))
    const delivery = running.order('o-1', { key: 'k-1' })
    await running.settle()
    expect(running.transport.sent[0]?.message).toMatchObject({
      body: delivery.body,
      contentType: delivery.contentType,
      id: 'o-1',
      type: orderPlaced.type,
      partitionKey: 'k-1',
    })
  })

  it('ends a message whose attempts are used up by a longer ladder of before', async () => {
    const running = await startConsumer(fails({ retry: { delaysMs: [1_000] } }))
    running.order('o-1', { headers: { 'posthorn-attempt': '7' } })
    await running.settle()
    expect(running.transport.sent.map(({ name }) => name)).toEqual(['orders.billing.dead'])
    expect(running.transport.sent[0]?.message.headers['posthorn-attempt']).toBe('7')
  })

  it('sends a retry only to rungs that were declared with the subscription', async () => {
    for (const hintMs of [undefined, 1, 999, 1_500, 4_999, 29_000, 61_000, 700_000, 10_000_000]) {
      const retry = { delaysMs: [0, 1_000, 5_000], maxRetryAfterMs: 3_600_000 }
      const running = await startConsumer(hintMs === undefined ? fails({ retry }) : asks(hintMs, retry))
      running.order('o-1')
      await climb(running, 200)
      const declared = running.transport.subscriptions[0]!.subscription.rungsMs
      const used = running.transport
        .sentTo('retry')
        .map(({ target }) => (target as { retry: { delayMs: number } }).retry.delayMs)
      expect(used.filter((delay) => !declared.includes(delay))).toEqual([])
      expect(used.length).toBeGreaterThan(0)
    }
  })
})

describe('not before', () => {
  it('waits a short rest out in the process, without calling the handler or counting', async () => {
    const seen: HandlerContext[] = []
    const running = await startConsumer({ ...fails({ retry: { delaysMs: [1_000, 5_000] } }, seen) })
    running.order('o-1', {
      headers: { 'posthorn-not-before': String(running.clock.now() + 700), 'posthorn-attempt': '3' },
    })
    await running.clock.advance(699)
    expect(seen).toEqual([])
    expect(running.consumer.health()).toMatchObject({ held: 1, inFlight: 1 })
    await running.clock.advance(1)
    expect(seen.map((context) => context.attempt)).toEqual([3])
  })

  it('waits for a day at most: what is further off was not written by us, and would go round for ever', async () => {
    const seen: HandlerContext[] = []
    const running = await startConsumer(fails({ retry: { delaysMs: [1_000] } }, seen))
    const day = running.clock.now() + 86_400_000
    running.order('o-1', { headers: { 'posthorn-not-before': String(day) } })
    running.order('o-2', { headers: { 'posthorn-not-before': String(day + 1) } })
    running.order('o-3', { headers: { 'posthorn-not-before': String(running.clock.now() * 1_000) } })
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ forwarded: 1, retried: 2 })
    expect(seen).toHaveLength(2)
  })

  it('ignores a header that is no number', async () => {
    const seen: HandlerContext[] = []
    const running = await startConsumer(fails({ retry: { delaysMs: [] } }, seen))
    for (const value of ['soon', '-5', '1e99', '', '12345678901234567890']) {
      running.order(`o-${value}`, { headers: { 'posthorn-not-before': value } })
    }
    await running.settle()
    expect(seen).toHaveLength(5)
  })
})

describe('expiry', () => {
  const at = (ms: number): Record<string, string> => ({ expirytime: new Date(ms).toISOString() })

  it('ends a message that is over before any handler sees it', async () => {
    const seen: HandlerContext[] = []
    const running = await startConsumer(fails({}, seen))
    running.order('o-1', { attributes: at(running.clock.now()) })
    await running.settle()
    expect(seen).toEqual([])
    expect(running.transport.sentTo('dead')[0]?.message.headers).toMatchObject({
      'posthorn-reason': 'expired',
      'posthorn-attempt': '0',
    })
  })

  it('ends a failed message that would be over at its next attempt', async () => {
    const running = await startConsumer(fails({ retry: { delaysMs: [5_000] } }))
    running.order('o-1', { attributes: at(running.clock.now() + 4_000) })
    await running.settle()
    expect(running.transport.sent[0]?.message.headers).toMatchObject({
      'posthorn-reason': 'expired',
      'posthorn-attempt': '1',
      'posthorn-error-message': 'no',
    })
  })
})

describe('data', () => {
  it('is the same for every attempt, whatever the attempt before did to it', async () => {
    const seen: unknown[] = []
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, ({ data }) => {
          seen.push({ ...data })
          ;(data as { orderId: string }).orderId = 'changed'
          if (seen.length === 1) throw new Error('no')
        }),
      ],
      retry: { delaysMs: [0] },
    })
    running.transport.deliver({ ...messageOf(orderPlaced, { orderId: 'o-1' }) })
    await running.settle()
    expect(seen).toEqual([{ orderId: 'o-1' }, { orderId: 'o-1' }])
  })
})
