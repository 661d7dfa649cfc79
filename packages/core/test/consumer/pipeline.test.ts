import { describe, expect, it } from 'vitest'
import { on } from '../../src/index.js'
import { createGate } from '../fakeTransport.js'
import { anything, messageOf, orderPaid, orderPlaced, startConsumer } from '../fixtures.js'
import { gatedHandlers } from '../gatedHandlers.js'

describe('concurrency', () => {
  it('runs so many handlers at once and no more', async () => {
    const { options, gates, started } = gatedHandlers()
    const running = await startConsumer({ ...options, concurrency: 3 })
    for (const id of ['a', 'b', 'c', 'd', 'e']) running.order(id)
    await running.settle()
    expect(started).toEqual(['a', 'b', 'c'])
    expect(running.consumer.health()).toMatchObject({ running: 3, inFlight: 5 })
    gates.get('b')!.open()
    await running.settle()
    expect(started).toEqual(['a', 'b', 'c', 'd'])
  })

  it('survives a hundred thousand synchronous handlers in one delivery', async () => {
    let handled = 0
    const running = await startConsumer({ handlers: [on(anything, () => void (handled += 1))], concurrency: 1 })
    const message = messageOf(anything, 1)
    running.transport.deliverAll(Array.from({ length: 100_000 }, () => message))
    await running.settle()
    expect(handled).toBe(100_000)
  })

  it('pause starts nothing more, resume goes on, and stop works while paused', async () => {
    const { options, gates, started } = gatedHandlers()
    const running = await startConsumer({ ...options, concurrency: 1 })
    running.order('a')
    await running.settle()
    running.consumer.pause()
    gates.get('a')!.open()
    const waiting = running.order('b')
    await running.settle()
    expect(started).toEqual(['a'])
    expect(running.consumer.health().state).toBe('paused')
    expect(running.service.health().ready).toBe(false)
    running.consumer.resume()
    await running.settle()
    expect(started).toEqual(['a', 'b'])
    gates.get('b')!.open()
    running.consumer.pause()
    const last = running.order('c')
    await running.settle()
    await running.service.stop()
    expect(waiting.ends).toEqual(['complete'])
    expect(last.ends).toEqual(['release'])
    running.consumer.resume()
    expect(running.consumer.health().state).toBe('stopped')
  })
})

describe('stop', () => {
  it('releases what was not started, lets handlers end and publish, then closes', async () => {
    const gate = createGate()
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, async ({ data }, context) => {
          await gate.promise
          await context.publish(orderPaid, data)
        }),
      ],
      concurrency: 1,
    })
    const first = running.order('a')
    const second = running.order('b')
    await running.settle()
    const stopped = running.service.stop()
    await running.settle()
    expect(second.ends).toEqual(['release'])
    expect(first.ends).toEqual([])
    gate.open()
    await stopped
    expect(first.ends).toEqual(['complete'])
    expect(running.transport.sentTo('destination')).toHaveLength(1)
    expect(running.transport.log.at(-1)).toBe('close')
    expect(running.transport.log[0]).toBe('stop orders.billing')
  })

  it('settles at its deadline when a handler never ends, and releases its message', async () => {
    const { options } = gatedHandlers()
    const running = await startConsumer(options)
    const delivery = running.order('a')
    await running.settle()
    const stopped = running.service.stop({ deadlineMs: 10_000 })
    await running.clock.advance(10_000)
    await stopped
    expect(delivery.ends).toEqual(['release'])
    expect(running.service.health().state).toBe('stopped')
  })

  it('ignores what a handler says after its message was released', async () => {
    const { options, gates } = gatedHandlers()
    const running = await startConsumer(options)
    const delivery = running.order('a')
    await running.settle()
    const stopped = running.service.stop({ deadlineMs: 100 })
    await running.clock.advance(100)
    await stopped
    gates.get('a')!.fail(new Error('late'))
    await running.clock.advance(60_000)
    expect(delivery.ends).toEqual(['release'])
    expect(running.transport.sent).toEqual([])
  })

  it('releases deliveries that still arrive', async () => {
    const { options, gates } = gatedHandlers()
    const running = await startConsumer(options)
    running.order('a')
    await running.settle()
    const stopped = running.service.stop()
    await running.settle()
    running.transport.subscriptions[0]!.stopped = false // A broker whose last deliveries were on their way.
    const late = running.order('late')
    await running.settle()
    expect(late.ends).toEqual(['release'])
    gates.get('a')!.open()
    await stopped
  })
})
