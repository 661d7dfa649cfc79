import { describe, expect, it } from 'vitest'
import { on, retryAfter } from '../../src/index.js'
import type { ConsumerOptions, HandlerContext } from '../../src/index.js'
import type { FakeDelivery } from '../fakeTransport.js'
import { messageOf, orderPlaced, startConsumer } from '../fixtures.js'
import type { Running } from '../fixtures.js'

const fails = (options: Partial<ConsumerOptions> = {}, seen: HandlerContext[] = []): ConsumerOptions => ({
  handlers: [
    on(orderPlaced, (_message, context) => {
      seen.push(context)
      throw new Error('no')
    }),
  ],
  ...options,
})

/** Fails with a hint. */
const asks = (ms: number, retry: ConsumerOptions['retry'], more: Partial<ConsumerOptions> = {}): ConsumerOptions => ({
  handlers: [on(orderPlaced, () => retryAfter(ms))],
  retry: { ...retry },
  ...more,
})

/** Plays the broker: gives each retry copy back when its delay is over, until nothing is left. */
async function climb(running: Running, limit = 50): Promise<number[]> {
  const { transport, clock, settle } = running
  const delays: number[] = []
  let given = 0
  for (let round = 0; round < limit; round += 1) {
    await settle()
    const next = transport.sentTo('retry')[given]
    if (next === undefined) return delays
    given += 1
    const { delayMs } = (next.target as { retry: { delayMs: number } }).retry
    delays.push(delayMs)
    await clock.advance(delayMs)
    transport.redeliver(next)
  }
  throw new Error('the ladder does not end')
}

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

describe('held keys', () => {
  const held = (more: Partial<ConsumerOptions>, attempts: string[]): ConsumerOptions => ({
    handlers: [
      on(orderPlaced, ({ data }, context) => {
        attempts.push(`${data.orderId}#${context.attempt}`)
        if (data.orderId.startsWith('bad') && context.attempt < 3) throw new Error('not yet')
      }),
    ],
    retry: { delaysMs: [1_000, 1_000, 1_000] },
    order: { by: 'partitionKey', onRetry: 'holdKey' },
    ...more,
  })

  it('hold back their key alone, and keep its order through the retries', async () => {
    const attempts: string[] = []
    const running = await startConsumer(held({}, attempts))
    running.order('bad-1', { key: 'a' })
    running.order('good-2', { key: 'a' })
    running.order('good-3', { key: 'b' })
    await running.settle()
    expect(attempts).toEqual(['bad-1#1', 'good-3#1'])
    await running.clock.advance(2_000)
    expect(attempts).toEqual(['bad-1#1', 'good-3#1', 'bad-1#2', 'bad-1#3', 'good-2#1'])
    expect(running.transport.sent).toEqual([])
  })

  it('keep their slot beyond maxHeldKeys, and give it back exactly once', async () => {
    const attempts: string[] = []
    const running = await startConsumer(
      held({ concurrency: 2, order: { by: 'partitionKey', onRetry: 'holdKey', maxHeldKeys: 1 } }, attempts),
    )
    for (const key of ['a', 'b', 'c']) running.order(`bad-${key}`, { key })
    running.order('good-d', { key: 'd' })
    await running.settle()
    // a is held without a slot, b and c keep theirs: d has none.
    expect(attempts).toEqual(['bad-a#1', 'bad-b#1', 'bad-c#1'])
    expect(running.consumer.health()).toMatchObject({ running: 2, held: 3 })
    await running.clock.advance(60_000)
    expect(running.consumer.health()).toMatchObject({ running: 0, held: 0, handled: 4, inFlight: 0 })
    for (let index = 0; index < 6; index += 1) running.order(`good-${index}`, { key: `k-${index}` })
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ handled: 10, running: 0 })
  })

  it('are given back at once when the consumer stops', async () => {
    const attempts: string[] = []
    const running = await startConsumer(held({}, attempts))
    const deliveries: FakeDelivery[] = [running.order('bad-1', { key: 'a' }), running.order('good-2', { key: 'a' })]
    await running.settle()
    const before = running.clock.monotonic()
    await running.service.stop()
    expect(running.clock.monotonic()).toBe(before)
    expect(deliveries.map(({ ends }) => ends)).toEqual([['release'], ['release']])
    expect(running.consumer.health()).toMatchObject({ held: 0, running: 0, inFlight: 0 })
  })

  it('do not delay a stop when their handler fails only after it has begun', async () => {
    let fail!: (error: Error) => void
    const running = await startConsumer({
      handlers: [on(orderPlaced, () => new Promise<void>((_resolve, reject) => (fail = reject)))],
      retry: { delaysMs: [10_000] },
      order: { by: 'partitionKey', onRetry: 'holdKey' },
    })
    const delivery = running.order('o-1', { key: 'a' })
    await running.settle()
    const stopped = running.service.stop({ deadlineMs: 20_000 })
    await running.settle()
    fail(new Error('late'))
    await running.settle()
    expect(delivery.ends).toEqual(['release'])
    await running.clock.advance(20_000)
    await stopped
  })
})

describe('undefined options', () => {
  it('count as not given: order still holds its keys', async () => {
    const attempts: string[] = []
    const order = { by: 'partitionKey', onRetry: undefined, maxHeldKeys: undefined } as never
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, ({ data }, { attempt }) => {
          attempts.push(`${data.orderId}#${attempt}`)
          if (attempt === 1 && data.orderId === 'first') throw new Error('no')
        }),
      ],
      retry: { delaysMs: [1_000] },
      order,
    })
    running.order('first', { key: 'k' })
    running.order('second', { key: 'k' })
    await running.clock.advance(5_000)
    expect(attempts).toEqual(['first#1', 'first#2', 'second#1'])
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
