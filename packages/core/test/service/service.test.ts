import { describe, expect, it } from 'vitest'
import { on } from '../../src/index.js'
import { createGate, never } from '../fakeTransport.js'
import { messageOf, orderPlaced } from '../fixtures.js'
import { isSettled, rejectionCode, thrownCode } from '../rejections.js'
import { createBench, handlers } from '../serviceBench.js'

describe('calls at the wrong time', () => {
  it('are refused with a code', async () => {
    const { service } = createBench()
    expect(await rejectionCode(service.publish(orderPlaced, { orderId: 'o-1' }))).toBe('POSTHORN_NOT_STARTED')
    expect(await rejectionCode(service.publishMany(orderPlaced, []))).toBe('POSTHORN_NOT_STARTED')
    await service.start()
    expect(thrownCode(() => service.consume('billing', handlers))).toBe('POSTHORN_ALREADY_STARTED')
    expect(thrownCode(() => service.readDeadLetters({ destination: 'a', group: 'b' }, () => {}))).toBe(
      'POSTHORN_ALREADY_STARTED',
    )
    expect(await rejectionCode(service.start())).toBe('POSTHORN_ALREADY_STARTED')
    await service.stop()
    expect(thrownCode(() => service.consume('billing', handlers))).toBe('POSTHORN_STOPPED')
    expect(await rejectionCode(service.start())).toBe('POSTHORN_STOPPED')
    expect(await rejectionCode(service.publish(orderPlaced, { orderId: 'o-1' }))).toBe('POSTHORN_STOPPED')
  })

  it('a pause before the start holds once it has started', async () => {
    const { service, transport, clock } = createBench()
    const seen: string[] = []
    const consumer = service.consume('billing', {
      handlers: [on(orderPlaced, ({ data }) => void seen.push(data.orderId))],
    })
    consumer.pause()
    await service.start()
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(0)
    expect(seen).toEqual([])
    consumer.resume()
    await clock.advance(0)
    expect(seen).toEqual(['o-1'])
  })
})

describe('stop', () => {
  it('is idempotent, and works before the start', async () => {
    const { service, transport } = createBench()
    const first = service.stop()
    expect(service.stop()).toBe(first)
    await first
    expect(transport.closed).toBe(1)
  })

  it('settles by its deadline with a transport whose close never settles', async () => {
    const { service, transport, clock } = createBench()
    await service.start()
    transport.onClose = () => never()
    const stopped = service.stop({ deadlineMs: 1_000 })
    await clock.advance(5_000)
    expect(await isSettled(stopped)).toBe(true)
    expect(service.health().state).toBe('stopped')
  })

  it('settles by its deadline with a transport whose subscriptions never stop, and releases what it holds', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', { handlers: [on(orderPlaced, () => never())] })
    await service.start()
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    transport.onStop = () => never()
    const stopped = service.stop({ deadlineMs: 1_000 })
    await clock.advance(5_000)
    expect(await isSettled(stopped)).toBe(true)
    expect(delivery.ends).toEqual(['release'])
  })

  it('gives handlers their signal in time also when the subscription is slow to stop', async () => {
    const { service, transport, clock } = createBench()
    let signal: AbortSignal | undefined
    service.consume('billing', {
      handlers: [
        on(orderPlaced, (_message, context) => {
          signal = context.signal
          return new Promise<void>((_resolve, reject) => {
            context.signal.addEventListener('abort', () => clock.schedule(100, () => reject(new Error('stopped'))))
          })
        }),
      ],
    })
    await service.start()
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    // As an adapter may: it uses the time that it was given.
    transport.onStop = (deadline) =>
      new Promise((resolve) => void clock.schedule(deadline - clock.monotonic(), resolve))
    const stopped = service.stop({ deadlineMs: 10_000 })
    await clock.advance(7_900)
    expect(signal?.aborted).toBe(true)
    await clock.advance(10_000)
    await stopped
    expect(delivery.ends).toEqual(['release'])
  })

  it('survives a transport whose stop and close reject', async () => {
    const { service, transport } = createBench()
    service.consume('billing', handlers)
    await service.start()
    transport.onStop = () => Promise.reject(new Error('no'))
    transport.onClose = () => Promise.reject(new Error('no'))
    await service.stop()
    expect(service.health().state).toBe('stopped')
  })

  it('settles while the start hangs in a transport that ignores its signal', async () => {
    const { service, transport, clock } = createBench()
    transport.onConnect = () => never()
    service.start().catch(() => {})
    await clock.advance(0)
    const stopped = service.stop({ deadlineMs: 1_000 })
    await clock.advance(5_000)
    expect(await isSettled(stopped)).toBe(true)
  })

  it('waits for publishes that are not confirmed', async () => {
    const { service, transport, clock } = createBench()
    await service.start()
    const gate = createGate()
    transport.answer = () => gate.promise.then(() => ({ routed: true }))
    const published = service.publish(orderPlaced, { orderId: 'o-1' })
    const stopped = service.stop()
    await clock.advance(0)
    expect(transport.closed).toBe(0)
    gate.open()
    await published
    await stopped
    expect(transport.closed).toBe(1)
  })

  it('waits for dead-letter handlers that run, so that what they did is not done twice', async () => {
    const { service, transport, clock } = createBench()
    const gate = createGate()
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, () => gate.promise)
    await service.start()
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(0)
    const stopped = service.stop()
    await clock.advance(0)
    expect(transport.closed).toBe(0)
    gate.open()
    await stopped
    expect(transport.log).toEqual(['stop orders.billing', expect.stringMatching(/^complete/), 'close'])
    expect(delivery.ends).toEqual(['complete'])
  })

  it('refuses unknown and impossible options', async () => {
    for (const options of [{ deadline: 5 }, { deadlineMs: Number.NaN }, { deadlineMs: -1 }]) {
      const { service } = createBench()
      let code: unknown
      try {
        await service.stop(options as never)
      } catch (error) {
        code = (error as { code?: unknown }).code
      }
      expect(code).toBe('POSTHORN_CONFIGURATION')
    }
  })

  it('happens at the end of an await using block', async () => {
    const { service, transport } = createBench()
    await service.start()
    await service[Symbol.asyncDispose]()
    expect(transport.closed).toBe(1)
  })
})
