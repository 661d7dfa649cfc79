import { describe, expect, it } from 'vitest'
import { createService, on } from '../../src/index.js'
import type { ConsumerOptions } from '../../src/index.js'
import { createVirtualClock } from '@posthorn/memory'
import { createFakeTransport, createGate } from '../fakeTransport.js'
import type { FakeTransport } from '../fakeTransport.js'
import { createRecordingLogger, messageOf, orderPlaced, startConsumer } from '../fixtures.js'
import type { Running } from '../fixtures.js'
import { gatedHandlers } from '../gatedHandlers.js'

const maxHoldMs = 100_000
const restMs = maxHoldMs / 10

const startOn = (options: ConsumerOptions, transport = createFakeTransport({ maxHoldMs })): Promise<Running> =>
  startConsumer(options, { transport })

const openCount = ({ subscriptions }: FakeTransport): number => subscriptions.filter(({ stopped }) => !stopped).length

describe('a long pause, where deliveries may not be held without end', () => {
  it('gives back what waits, in time, and what was begun ends; resumed, the group subscribes anew', async () => {
    const { options, gates, started } = gatedHandlers()
    const running = await startOn({ ...options, concurrency: 1 })
    const { transport, consumer, clock } = running
    const begun = running.order('a')
    await running.settle()
    consumer.pause()
    const waiting = [running.order('b', { key: 'k' }), running.order('c', { key: 'k' })]
    await clock.advance(restMs - 1)
    expect([waiting.map(({ ends }) => ends), openCount(transport)]).toEqual([[[], []], 1])
    await clock.advance(1)
    expect([waiting.map(({ ends }) => ends), openCount(transport)]).toEqual([[['release'], ['release']], 0])
    // Before it is released it must be known that nobody takes it.
    expect(transport.log.slice(0, 3)).toEqual(['stop orders.billing', 'release b', 'release c'])
    expect(consumer.health()).toMatchObject({ state: 'paused', inFlight: 1, running: 1, released: 2 })
    gates.get('a')!.open()
    await clock.advance(10 * maxHoldMs)
    expect(begun.ends).toEqual(['complete'])
    consumer.resume()
    expect(consumer.health().state).toBe('starting')
    await running.settle()
    expect(consumer.health().state).toBe('running')
    expect(openCount(transport)).toBe(1)
    running.order('b')
    await running.settle()
    expect(started).toEqual(['a', 'b'])
  })

  it('is nothing when it ends before, however often, nor where deliveries may be held', async () => {
    const { options, started } = gatedHandlers()
    const running = await startOn({ ...options, concurrency: 1 })
    for (let times = 0; times < 30; times += 1) {
      running.consumer.pause()
      running.consumer.pause()
      await running.clock.advance(restMs - 1)
      running.consumer.resume()
    }
    running.consumer.pause()
    const unbounded = await startConsumer(options)
    unbounded.consumer.pause()
    const held = unbounded.order('u')
    await unbounded.clock.advance(100 * maxHoldMs)
    expect([held.ends, openCount(unbounded.transport)]).toEqual([[], 1])
    await running.service.stop()
    expect(running.clock.pending).toBe(0)
    expect(running.transport.subscriptions).toHaveLength(1)
    expect(started).toEqual([])
  })

  it('lets nothing wait in the process afterwards: a handler that fails gives its message back', async () => {
    const gate = createGate()
    const running = await startOn({
      handlers: [on(orderPlaced, () => gate.promise)],
      retry: { delaysMs: [1_000] },
      handlerTimeoutMs: 20_000,
      order: { by: 'partitionKey', onRetry: 'holdKey' },
    })
    const begun = running.order('a', { key: 'k' })
    await running.settle()
    running.consumer.pause()
    await running.clock.advance(restMs)
    gate.fail(new Error('not yet'))
    await running.clock.advance(maxHoldMs)
    expect(begun.ends).toEqual(['release'])
    expect(running.consumer.health()).toMatchObject({ inFlight: 0, held: 0, retried: 0 })
  })

  it('ends although the broker is away: the group subscribes as soon as it can, and is not ready before', async () => {
    const running = await startOn({ handlers: [on(orderPlaced, () => {})] })
    const { transport, consumer, clock, logger } = running
    consumer.pause()
    await clock.advance(restMs)
    transport.onSubscribe = () => Promise.reject(new Error('away'))
    consumer.resume()
    await clock.advance(120_000)
    expect(consumer.health()).toMatchObject({ state: 'starting', ready: false })
    expect(logger.records.filter(({ facts }) => facts['event'] === 'consumer.resubscribe').length).toBeGreaterThan(5)
    transport.onSubscribe = async () => {}
    await clock.advance(15_000)
    expect(consumer.health()).toMatchObject({ state: 'running', ready: true })
    expect(openCount(transport)).toBe(1)
  })

  it('leaves no subscription behind that comes after the next pause, or after a stop', async () => {
    const running = await startOn({ handlers: [on(orderPlaced, () => {})] })
    const { transport, consumer, clock } = running
    consumer.pause()
    await clock.advance(restMs)
    const gates = [createGate(), createGate()]
    let asked = 0
    transport.onSubscribe = () => gates[asked++]!.promise
    consumer.resume()
    await clock.advance(0)
    consumer.pause()
    await clock.advance(restMs)
    gates[0]!.open()
    await clock.advance(0)
    expect([transport.subscriptions.length, openCount(transport)]).toEqual([2, 0])
    consumer.resume()
    await clock.advance(0)
    const stopped = running.service.stop()
    gates[1]!.open()
    await clock.advance(0)
    await stopped
    expect([transport.subscriptions.length, openCount(transport)]).toEqual([3, 0])
    expect(clock.pending).toBe(0)
  })

  it('that begins before the start counts as well, also while a subscription is still being made', async () => {
    const transport = createFakeTransport({ maxHoldMs })
    const clock = createVirtualClock()
    const service = createService({ source: '/test', clock, logger: createRecordingLogger(), transport })
    const consumer = service.consume('billing', { handlers: [on(orderPlaced, () => {})] })
    const gate = createGate()
    transport.onSubscribe = () => gate.promise
    consumer.pause()
    const started = service.start({ deadlineMs: maxHoldMs })
    await clock.advance(restMs)
    gate.open()
    await clock.advance(0)
    await started
    expect([openCount(transport), consumer.health().state]).toEqual([0, 'paused'])
    consumer.resume()
    await clock.advance(0)
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'a' }))
    await clock.advance(0)
    expect([delivery.ends, consumer.health().state]).toEqual([['complete'], 'running'])
    await service.stop()
  })
})
