import { describe, expect, it } from 'vitest'
import { on } from '../../src/index.js'
import type { ConsumerOptions, Service, ServiceHealth } from '../../src/index.js'
import { createGate, never } from '../fakeTransport.js'
import { createRecordingLogger, messageOf, orderPlaced } from '../fixtures.js'
import { gatedHandlers } from '../gatedHandlers.js'
import { createBench, handlers, unreachable } from '../serviceBench.js'
import type { Bench } from '../serviceBench.js'

/** Ready, live and codes with what they are about. */
function shown({ ready, live, reasons }: Pick<ServiceHealth, 'ready' | 'live' | 'reasons'>): unknown[] {
  return [ready, live, ...reasons.map(({ code, where }) => `${code} ${where}`)]
}

async function started(
  options: ConsumerOptions = handlers,
  more: Parameters<typeof createBench>[0] = {},
): Promise<Bench> {
  const bench = createBench(more)
  bench.service.consume('billing', options)
  await bench.service.start()
  return bench
}

const hangs: ConsumerOptions = { handlers: [on(orderPlaced, () => never())], handlerTimeoutMs: 1_000 }
const afterTimeoutMs = 1_000 + 300_000

describe('the readiness of a service', () => {
  it('is false before and while it starts, and true once everything receives', async () => {
    const { service, transport } = createBench()
    const consumer = service.consume('billing', handlers)
    const gate = createGate()
    transport.onSubscribe = () => gate.promise
    expect(shown(service.health())).toEqual([false, true, 'notStarted service', 'notStarted group billing'])
    const starting = service.start()
    await expect.poll(() => shown(consumer.health())).toEqual([false, true, 'starting group billing'])
    expect(consumer.health().state).toBe('starting')
    expect(shown(service.health())).toEqual([false, true, 'starting service', 'starting group billing'])
    gate.open()
    await starting
    expect([shown(service.health()), shown(consumer.health())]).toEqual([
      [true, true],
      [true, true],
    ])
  })

  it('is false while it waits for a broker that is away at the start', async () => {
    const { service, transport, clock } = createBench()
    let isAway = true
    transport.onConnect = async () => {
      if (isAway) throw unreachable()
    }
    const starting = service.start({ ifUnavailable: 'wait' })
    await clock.advance(3_600_000)
    expect(shown(service.health())).toEqual([false, true, 'starting service'])
    isAway = false
    await clock.advance(60_000)
    await starting
    expect(shown(service.health())).toEqual([true, true])
  })

  it.each([
    ['blocked', 'blocked'],
    ['connecting', 'connecting'],
  ] as const)('is false while the transport is %s, of all that need it, said once', async (state, code) => {
    const { service, transport } = await started()
    transport.state = state
    const { publisher, consumers } = service.health()
    for (const one of [service.health(), publisher, consumers[0]!]) {
      expect(shown(one)).toEqual([false, true, `${code} transport fake`])
    }
    transport.state = 'ready'
    expect(shown(service.health())).toEqual([true, true])
  })

  it('is false while a consumer is paused', async () => {
    const bench = createBench()
    const consumer = bench.service.consume('billing', handlers)
    await bench.service.start()
    consumer.pause()
    expect(shown(bench.service.health())).toEqual([false, true, 'paused group billing'])
    consumer.resume()
    expect(shown(bench.service.health())).toEqual([true, true])
  })

  it('is false from the call of stop on, while handlers end and after it', async () => {
    const { options, gates } = gatedHandlers()
    const { service, transport, clock } = await started(options)
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(0)
    const stopping = service.stop()
    expect(shown(service.health())).toEqual([false, true, 'stopping service'])
    await clock.advance(0)
    expect(shown(service.health())).toEqual([false, true, 'stopping service', 'stopping group billing'])
    for (const gate of gates.values()) gate.open()
    await stopping
    expect(shown(service.health())).toEqual([
      false,
      true,
      'stopped service',
      'stopped transport fake',
      'stopped group billing',
    ])
  })
})

describe('the liveness of a service', () => {
  it('ends with a start that failed, since it never runs any more', async () => {
    const { service, transport } = createBench()
    transport.onConnect = () => Promise.reject(unreachable())
    await expect(service.start()).rejects.toMatchObject({ code: 'POSTHORN_UNREACHABLE' })
    expect(shown(service.health())).toEqual([false, false, 'startFailed service', 'stopped transport fake'])
  })

  it('does not end with a start that was stopped or aborted', async () => {
    const stopped = createBench()
    stopped.transport.onConnect = () => never()
    const starting = stopped.service.start()
    const rejected = expect(starting).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
    const stopping = stopped.service.stop()
    await stopped.clock.advance(60_000)
    await Promise.all([stopping, rejected])
    const aborted = createBench()
    const signal = AbortSignal.abort(new Error('changed my mind'))
    await expect(aborted.service.start({ signal })).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
    expect([stopped, aborted].map(({ service }) => service.health().live)).toEqual([true, true])
  })

  it('ends when handlers hang beyond their timeout and livenessTimeoutMs, and is back when they end', async () => {
    const { options, gates } = gatedHandlers()
    const logger = createRecordingLogger()
    const bench = await started({ ...options, handlerTimeoutMs: 1_000, livenessTimeoutMs: 60_000 }, { logger })
    const { service, transport, clock } = bench
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(60_000)
    expect(shown(service.health())).toEqual([true, true])
    await clock.advance(1_000)
    expect(shown(service.health())).toEqual([false, false, 'noProgress group billing'])
    expect(
      logger.records.map(({ facts }) => facts).filter(({ event }) => event === 'consumer.standstill'),
    ).toMatchObject([{ group: 'billing', running: 1 }])
    for (const gate of gates.values()) gate.open()
    await clock.advance(3_000)
    expect(shown(service.health())).toEqual([true, true])
    expect(clock.pending).toBe(0)
  })

  it('is not ended by a hanging handler beside others that end', async () => {
    const { options, gates, started: begun } = gatedHandlers()
    const { service, transport, clock } = await started({ ...options, handlerTimeoutMs: 1_000 })
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }, { id: 'hangs' }))
    for (let number = 0; number < 20; number += 1) {
      transport.deliver(messageOf(orderPlaced, { orderId: 'o-2' }, { id: `m-${number}` }))
      await clock.advance(60_000)
      gates.get(`m-${number}`)!.open()
    }
    expect([begun.length, service.health().live]).toEqual([21, true])
  })

  it.each(['connecting', 'blocked'] as const)('is not ended by a transport that is %s for days', async (state) => {
    const { service, transport, clock } = await started(hangs)
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    transport.state = state
    await clock.advance(3 * 86_400_000)
    expect(service.health().live).toBe(true)
    transport.state = 'ready'
    await clock.advance(290_000)
    expect(service.health().live).toBe(true)
    await clock.advance(15_000)
    expect(service.health().live).toBe(false)
  })

  it('is not ended by a consumer that has nothing to do, or is paused', async () => {
    const idle = await started()
    await idle.clock.advance(86_400_000)
    expect(shown(idle.service.health())).toEqual([true, true])
    const paused = createBench()
    const consumer = paused.service.consume('billing', hangs)
    await paused.service.start()
    paused.transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await paused.clock.advance(0)
    consumer.pause()
    await paused.clock.advance(86_400_000)
    expect(shown(paused.service.health())).toEqual([false, true, 'paused group billing'])
  })

  it('is not ended by a stop that takes long', async () => {
    const { service, transport, clock } = await started(hangs)
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(afterTimeoutMs - 10_000)
    const stopping = service.stop({ deadlineMs: 600_000 })
    await clock.advance(400_000)
    expect([service.health().state, service.health().live]).toEqual(['stopping', true])
    await clock.advance(200_000)
    await stopping
  })

  it('is never ended by handlers where livenessTimeoutMs is false', async () => {
    const { service, transport, clock } = await started({ ...hangs, livenessTimeoutMs: false })
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(86_400_000)
    expect(service.health().live).toBe(true)
  })

  it('is not ended by a part whose health throws', async () => {
    const bench: { service: Service } = createBench()
    const health = (): never => {
      throw new Error('broken')
    }
    bench.service.attach({ name: 'mine', start: async () => {}, stop: async () => {}, health })
    await bench.service.start()
    expect(shown(bench.service.health())).toEqual([false, true, 'healthFailed part mine'])
  })
})
