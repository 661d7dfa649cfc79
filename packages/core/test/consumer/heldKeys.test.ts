import { describe, expect, it } from 'vitest'
import { on } from '../../src/index.js'
import type { ConsumerOptions } from '../../src/index.js'
import type { FakeDelivery } from '../fakeTransport.js'
import { orderPlaced, startConsumer } from '../fixtures.js'

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

  it('that keep their slot give it back when the consumer stops', async () => {
    const order = { by: 'partitionKey', onRetry: 'holdKey', maxHeldKeys: 1 } as const
    const running = await startConsumer(held({ order }, []))
    for (const key of ['a', 'b', 'c']) running.order(`bad-${key}`, { key })
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ held: 3, running: 2 })
    await running.service.stop()
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
