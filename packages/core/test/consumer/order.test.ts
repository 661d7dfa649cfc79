import { describe, expect, it } from 'vitest'
import { on } from '../../src/index.js'
import type { ConsumerOptions } from '../../src/index.js'
import { createGate } from '../fakeTransport.js'
import { orderPaid, orderPlaced, startConsumer } from '../fixtures.js'
import { gatedHandlers } from '../gatedHandlers.js'

describe('order', () => {
  const ordered = (handlers: ConsumerOptions['handlers'], more: Partial<ConsumerOptions> = {}): ConsumerOptions => ({
    handlers,
    order: { by: 'partitionKey' },
    ...more,
  })

  it('runs one message of a key at a time, in order, and many keys at once', async () => {
    const { options, gates, started } = gatedHandlers()
    const running = await startConsumer({ ...options, order: { by: 'partitionKey' } })
    for (const [id, key] of [
      ['a1', 'a'],
      ['a2', 'a'],
      ['b1', 'b'],
      ['a3', 'a'],
      ['b2', 'b'],
    ] as const) {
      running.order(id, { id, key })
    }
    await running.settle()
    expect(started).toEqual(['a1', 'b1'])
    gates.get('a1')!.open()
    await running.settle()
    expect(started).toEqual(['a1', 'b1', 'a2'])
    gates.get('b1')!.open()
    gates.get('a2')!.open()
    await running.settle()
    expect(started).toEqual(['a1', 'b1', 'a2', 'b2', 'a3'])
  })

  it('takes the key from the envelope where the broker has none', async () => {
    const { options, started } = gatedHandlers()
    const running = await startConsumer({ ...options, order: { by: 'partitionKey' } })
    running.order('a1', { attributes: { partitionkey: 'a' } })
    running.order('a2', { attributes: { partitionkey: 'a' } })
    running.order('x1')
    running.order('x2')
    await running.settle()
    expect(started).toEqual(['a1', 'x1', 'x2'])
  })

  it('holds a key until its dead letter is confirmed', async () => {
    const started: string[] = []
    const running = await startConsumer(
      ordered(
        [
          on(orderPlaced, ({ envelope }) => {
            started.push(envelope.id)
            if (envelope.id === 'bad') throw new Error('no')
          }),
        ],
        { retry: { delaysMs: [] } },
      ),
    )
    const gate = createGate()
    running.transport.answer = () => gate.promise.then(() => ({ routed: true }))
    running.order('bad', { key: 'k' })
    running.order('next', { key: 'k' })
    await running.settle()
    expect(started).toEqual(['bad'])
    gate.open()
    await running.settle()
    expect(started).toEqual(['bad', 'next'])
  })

  it('with overtake lets later messages of the key pass a retry', async () => {
    const started: string[] = []
    const running = await startConsumer(
      ordered(
        [
          on(orderPlaced, ({ envelope }) => {
            started.push(envelope.id)
            if (envelope.id === 'bad') throw new Error('no')
          }),
        ],
        { retry: { delaysMs: [1_000] }, order: { by: 'partitionKey', onRetry: 'overtake' } },
      ),
    )
    running.order('bad', { key: 'k' })
    running.order('next', { key: 'k' })
    await running.settle()
    expect(started).toEqual(['bad', 'next'])
    expect(running.transport.sent.map(({ name }) => name)).toEqual(['orders.billing.retry.1000'])
  })

  it('goes on after messages of the key that cannot be read, are skipped or expired', async () => {
    const started: string[] = []
    const running = await startConsumer(ordered([on(orderPlaced, ({ envelope }) => void started.push(envelope.id))]))
    const key = 'k'
    running.transport.deliver({ body: Buffer.from('x'), contentType: 'text/plain', partitionKey: key })
    running.order('skipped', { key, contract: orderPaid })
    running.order('expired', { key, attributes: { expirytime: '2020-01-01T00:00:00Z' } })
    running.order('good', { key })
    await running.settle()
    expect(started).toEqual(['good'])
    expect(running.consumer.health()).toMatchObject({ inFlight: 0, deadLettered: 2, skipped: 1, handled: 1 })
  })
})
