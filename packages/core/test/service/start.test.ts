import { describe, expect, it } from 'vitest'
import { ConnectionError, on, TopologyError } from '../../src/index.js'
import { createGate, never } from '../fakeTransport.js'
import { chargeCard, messageOf, orderPlaced } from '../fixtures.js'
import { isSettled, rejection, rejectionCode } from '../rejections.js'
import { createBench, handlers, unreachable } from '../serviceBench.js'

describe('start', () => {
  it('connects, subscribes every group, and is ready', async () => {
    const { service, transport } = createBench({ publishes: [chargeCard] })
    service.consume('billing', { handlers: [on(orderPlaced, () => {}), on(chargeCard, () => {})] })
    service.consume('mail', handlers)
    expect(service.health()).toMatchObject({ state: 'idle', ready: false })
    await service.start()
    expect(service.health()).toMatchObject({ state: 'running', ready: true })
    const names = transport.subscriptions.map(({ subscription }) => `${subscription.destination}.${subscription.group}`)
    expect(names.toSorted()).toEqual(['orders.billing', 'orders.mail', 'payments.billing'])
  })

  it('with ifUnavailable fail rejects with the transport’s error and leaves nothing behind', async () => {
    const { service, transport } = createBench()
    transport.onConnect = () => Promise.reject(unreachable())
    expect(await rejectionCode(service.start())).toBe('POSTHORN_UNREACHABLE')
    expect(transport.closed).toBe(1)
    expect(service.health()).toMatchObject({ state: 'stopped', ready: false })
  })

  it('with ifUnavailable wait goes on trying until the broker is there', async () => {
    const { service, transport, clock } = createBench()
    let failures = 5
    transport.onConnect = async () => {
      if (failures-- > 0) throw unreachable()
    }
    const started = service.start({ ifUnavailable: 'wait' })
    await clock.advance(60_000)
    await started
    expect(transport.connects).toBe(6)
  })

  it('with ifUnavailable wait goes on subscribing when the broker goes away after the connect', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', { handlers: [on(orderPlaced, () => {}), on(chargeCard, () => {})] })
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, () => {})
    let failures = 6
    transport.onSubscribe = async () => {
      if (failures-- > 0) throw unreachable()
    }
    const started = service.start({ ifUnavailable: 'wait' })
    await clock.advance(60_000)
    await started
    const names = transport.subscriptions.map(({ subscription: { destination, source } }) => `${destination} ${source}`)
    expect(names.toSorted()).toEqual(['orders dead', 'orders work', 'payments work'])
    expect(transport.connects).toBe(1)
  })

  it('with ifUnavailable wait gives a group that takes long to join more time from attempt to attempt', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', handlers)
    const allowed: number[] = []
    transport.onSubscribe = async (_, { deadline }) => {
      allowed.push(deadline - clock.monotonic())
      if (allowed.length < 6) throw unreachable()
    }
    const started = service.start({ ifUnavailable: 'wait', deadlineMs: 1_000 })
    await clock.advance(60_000)
    await started
    expect(allowed).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
  })

  it('with ifUnavailable wait does not subscribe twice where a transport does not answer', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', handlers)
    let calls = 0
    transport.onSubscribe = () => {
      calls += 1
      return never()
    }
    const started = rejectionCode(service.start({ ifUnavailable: 'wait', deadlineMs: 1_000 }))
    await clock.advance(60_000)
    expect(await started).toBe('POSTHORN_UNREACHABLE')
    expect(calls).toBe(1)
  })

  it('with ifUnavailable wait still rejects for what waiting cannot help', async () => {
    const { service, transport } = createBench()
    const error = new ConnectionError({ code: 'POSTHORN_AUTHENTICATION', message: 'no' })
    transport.onConnect = () => Promise.reject(error)
    expect(await rejection(service.start({ ifUnavailable: 'wait' }))).toBe(error)
  })

  it('ends at its signal while it waits for the broker', async () => {
    const { service, transport, clock } = createBench()
    transport.onConnect = () => Promise.reject(unreachable())
    const controller = new AbortController()
    const started = rejectionCode(service.start({ ifUnavailable: 'wait', signal: controller.signal }))
    await clock.advance(5_000)
    controller.abort()
    expect(await started).toBe('POSTHORN_STOPPED')
    expect(transport.closed).toBe(1)
    const { connects } = transport
    await clock.advance(60_000)
    expect(transport.connects).toBe(connects)
  })

  it('does not connect when its signal has fired before', async () => {
    const { service, transport } = createBench()
    expect(await rejectionCode(service.start({ signal: AbortSignal.abort() }))).toBe('POSTHORN_STOPPED')
    expect(transport.connects).toBe(0)
  })

  it('that is stopped meanwhile rejects, and stop resolves', async () => {
    const { service, transport, clock } = createBench()
    transport.onConnect = () => Promise.reject(unreachable())
    const started = rejectionCode(service.start({ ifUnavailable: 'wait' }))
    await clock.advance(1_000)
    await service.stop()
    expect(await started).toBe('POSTHORN_STOPPED')
    expect(service.health().state).toBe('stopped')
  })

  it('that is stopped while it subscribes does not resolve as if it ran', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', handlers)
    const gate = createGate()
    transport.onSubscribe = () => gate.promise
    const started = service.start()
    const outcome = started.then(
      () => 'resolved',
      () => 'rejected',
    )
    await clock.advance(0)
    const stopped = service.stop()
    await clock.advance(0)
    gate.open()
    await clock.advance(0)
    await stopped
    expect(transport.subscriptions.every((subscription) => subscription.stopped)).toBe(true)
    expect(await outcome).toBe('rejected')
  })

  it('that fails to subscribe leaves nothing behind', async () => {
    const { service, transport } = createBench()
    service.consume('billing', { handlers: [on(orderPlaced, () => {}), on(chargeCard, () => {})] })
    service.consume('mail', handlers)
    const error = new TopologyError({ code: 'POSTHORN_TOPOLOGY_MISMATCH', message: 'no' })
    transport.onSubscribe = async ({ destination }) => {
      if (destination === 'payments') throw error
    }
    expect(await rejection(service.start())).toBe(error)
    expect(transport.subscriptions.every((subscription) => subscription.stopped)).toBe(true)
    expect(transport.closed).toBe(1)
    expect(await rejectionCode(service.start())).toBe('POSTHORN_STOPPED')
  })

  it('that fails releases what was delivered meanwhile', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', {
      handlers: [on(orderPlaced, () => never()), on(chargeCard, () => {})],
    })
    const failing = createGate()
    transport.onSubscribe = ({ destination }) => (destination === 'payments' ? failing.promise : Promise.resolve())
    const started = rejectionCode(service.start())
    await clock.advance(0)
    const delivery = transport.deliver({ destination: 'orders', ...messageOf(orderPlaced, { orderId: 'o-1' }) })
    failing.fail(unreachable())
    await clock.advance(10_000)
    expect(await started).toBe('POSTHORN_UNREACHABLE')
    expect(delivery.ends).toEqual(['release'])
  })

  it('settles by its deadline with a transport that never connects', async () => {
    const { service, transport, clock } = createBench()
    transport.onConnect = () => never()
    const started = service.start({ deadlineMs: 1_000 })
    started.catch(() => {})
    await clock.advance(10_000)
    expect(await isSettled(started)).toBe(true)
  })

  it('settles by its deadline with a transport that never subscribes', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', handlers)
    transport.onSubscribe = () => never()
    const started = service.start({ deadlineMs: 1_000 })
    started.catch(() => {})
    await clock.advance(10_000)
    expect(await isSettled(started)).toBe(true)
  })

  it('settles by its deadline when one subscription fails and another does not stop', async () => {
    const { service, transport, clock } = createBench()
    service.consume('billing', { handlers: [on(orderPlaced, () => {}), on(chargeCard, () => {})] })
    transport.onSubscribe = async ({ destination }) => {
      if (destination === 'payments') throw unreachable()
    }
    transport.onStop = () => never()
    const started = rejectionCode(service.start({ deadlineMs: 1_000 }))
    await clock.advance(20_000)
    expect(await isSettled(started)).toBe(true)
    expect(await started).toBe('POSTHORN_UNREACHABLE')
  })

  it('refuses unknown and impossible options', async () => {
    for (const options of [{ ifUnavailible: 'wait' }, { ifUnavailable: 'later' }, { deadlineMs: Number.NaN }]) {
      const { service } = createBench()
      expect(await rejectionCode(service.start(options as never))).toBe('POSTHORN_CONFIGURATION')
    }
  })

  it('calls lazy handlers once, at start, and reports what is wrong with all of them at once', async () => {
    const { service } = createBench()
    let calls = 0
    service.consume('fine', {
      handlers: () => {
        calls += 1
        return handlers.handlers as never
      },
    })
    service.consume('empty', { handlers: () => [] })
    service.consume('wrong', { handlers: () => [{} as never] })
    expect(calls).toBe(0)
    const error = (await rejection(service.start())) as { code: string; details: { problems: string[] } }
    expect(error.code).toBe('POSTHORN_CONFIGURATION')
    expect(calls).toBe(1)
    expect(error.details.problems).toHaveLength(2)
  })
})
