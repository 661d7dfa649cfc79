import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { ConnectionError, createService, on, onBatch, TopologyError } from '../../src/index.js'
import type { ConsumerOptions, Service, ServiceOptions } from '../../src/index.js'
import { createFakeTransport, createGate, never } from '../fakeTransport.js'
import type { FakeTransport } from '../fakeTransport.js'
import {
  chargeCard,
  createRecordingLogger,
  isSettled,
  messageOf,
  orderPaid,
  orderPlaced,
  problemsOf,
  rejection,
  rejectionCode,
  thrownCode,
} from '../fixtures.js'

interface Bench {
  readonly service: Service
  readonly clock: VirtualClock
  readonly transport: FakeTransport
}

function createBench(options: Partial<ServiceOptions> = {}): Bench {
  const clock = createVirtualClock()
  const transport = (options.transport as FakeTransport | undefined) ?? createFakeTransport()
  const service = createService({ source: '/test', clock, logger: createRecordingLogger(), ...options, transport })
  return { service, clock, transport }
}

const handlers: ConsumerOptions = { handlers: [on(orderPlaced, () => {})] }
const unreachable = (): ConnectionError => new ConnectionError({ code: 'POSTHORN_UNREACHABLE', message: 'no broker' })

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

describe('set-ups that cannot work', () => {
  it('are refused before any I/O, with problems of every kind at once', () => {
    const transport = createFakeTransport({ routed: false })
    transport.objections = () => ['no broker has this']
    const problems = problemsOf(() =>
      createService({
        source: 'with space',
        transport,
        sourse: 1,
        deadlineMs: 0,
        limits: { maxDepth: 0, maxBytes: 1 },
        mustRoute: true,
        publishes: [orderPlaced, { ...orderPlaced, identity: 'other' }],
      } as never),
    )
    const found = (part: string): boolean => problems.some((problem) => problem.includes(part))
    expect({
      unknown: found('sourse'),
      value: found('deadlineMs'),
      limits: found('limits.maxDepth'),
      nestedUnknown: found('limits.maxBytes'),
      source: found('source must'),
      capability: found('mustRoute'),
      contracts: found('two schemas'),
      transport: found('no broker has this'),
    }).toEqual({
      unknown: true,
      value: true,
      limits: true,
      nestedUnknown: true,
      source: true,
      capability: true,
      contracts: true,
      transport: true,
    })
    expect(transport.connects).toBe(0)
  })

  it('of a consumer are refused with problems of every kind at once', () => {
    const transport = createFakeTransport({ ordered: false, countsRedeliveries: false })
    const { service } = createBench({ transport })
    const problems = problemsOf(() =>
      service.consume('bad.group', {
        handlers: [on(orderPlaced, () => {}), on(orderPlaced, () => {})],
        concurency: 4,
        concurrency: 200,
        maxInFlight: 100,
        retry: { delaysMs: [5_000, 1_000], delays: 1 },
        order: { by: 'partitionKey' },
        maxCrashes: 3,
      } as never),
    )
    const parts = ['bad.group', 'concurency', 'above maxInFlight', 'must not decrease', 'retry.delays ', 'order:', 'maxCrashes', 'second handler'] // prettier-ignore
    expect(parts.filter((part) => !problems.some((problem) => problem.includes(part)))).toEqual([])
  })

  const refused: Readonly<Record<string, unknown>> = {
    'no options': undefined,
    'no handlers': {},
    'an empty list': { handlers: [] },
    'a handler that is none': { handlers: [null] },
    'a handler without a contract': { handlers: [on(undefined as never, () => {})] },
    'a contract without a handler': { handlers: [on(orderPlaced, undefined as never)] },
    'a batch contract without a handler': { handlers: [onBatch(orderPlaced, undefined as never)] },
    'an unknown batch option': { handlers: [onBatch(orderPlaced, () => {}, { maxcount: 3 } as never)] },
    'a batch of nothing': { handlers: [onBatch(orderPlaced, () => {}, { maxCount: 0 })] },
    'a batch above maxInFlight': { handlers: [onBatch(orderPlaced, () => {}, { maxCount: 50 })], maxInFlight: 20 },
    'a ladder that decreases': { ...handlers, retry: { delaysMs: [2, 1] } },
    'a ladder of fractions': { ...handlers, retry: { delaysMs: [0.5] } },
    'a hint bound below the ladder': { ...handlers, retry: { delaysMs: [1_000], maxRetryAfterMs: 10 } },
    'an unknown order': { ...handlers, order: { by: 'time' } },
    'an order without by': { ...handlers, order: {} },
    'an unknown foreign': { ...handlers, foreign: 'drop' },
    'middleware that is none': { ...handlers, middleware: [1] },
    'no concurrency': { ...handlers, concurrency: 0 },
  }
  for (const [what, options] of Object.entries(refused)) {
    it(`of a consumer are refused: ${what}`, () => {
      const { service } = createBench()
      expect(problemsOf(() => service.consume('billing', options as never)).length).toBeGreaterThan(0)
    })
  }

  it('are a group that is declared twice', () => {
    const { service } = createBench()
    service.consume('billing', handlers)
    expect(problemsOf(() => service.consume('billing', { handlers: [on(orderPaid, () => {})] }))).toHaveLength(1)
  })

  it('are held keys for longer than the transport lets a delivery be unsettled', () => {
    const transport = createFakeTransport({ maxHoldMs: 60_000 })
    const { service } = createBench({ transport })
    const order = { by: 'partitionKey' } as const
    expect(() => service.consume('short', { ...handlers, order, retry: { delaysMs: [30_000] } })).not.toThrow()
    expect(
      problemsOf(() => service.consume('long', { ...handlers, order, retry: { delaysMs: [30_000, 40_000] } })),
    ).toHaveLength(1)
    expect(
      problemsOf(() =>
        service.consume('hint', { ...handlers, order, retry: { delaysMs: [0, 0], maxRetryAfterMs: 40_000 } }),
      ),
    ).toHaveLength(1)
  })

  it('are dead-letter readers without a function, of impossible names, or with unknown keys', () => {
    const { service } = createBench()
    const source = { destination: 'orders', group: 'billing' }
    expect(problemsOf(() => service.readDeadLetters({ destination: 'a b', group: 'c.d' }, () => {}))).toHaveLength(2)
    expect(problemsOf(() => service.readDeadLetters(undefined as never, () => {})).length).toBeGreaterThan(0)
    expect(problemsOf(() => service.readDeadLetters(source, undefined as never))).toHaveLength(1)
    expect(problemsOf(() => service.readDeadLetters({ ...source, grup: 1 } as never, () => {}))).toHaveLength(1)
  })

  it('are asked of the transport for everything that is declared, dead-letter readers included', async () => {
    const { service, transport } = createBench({ publishes: [chargeCard] })
    service.consume('billing', handlers)
    service.readDeadLetters({ destination: 'orders', group: 'mail' }, () => {})
    await service.start()
    const asked = transport.declared.flatMap(({ publishes, subscriptions }) => [
      ...publishes,
      ...subscriptions.map(({ destination, group, source }) => `${destination}.${group} ${source}`),
    ])
    expect(new Set(asked)).toEqual(new Set(['payments', 'orders.billing work', 'orders.mail dead']))
  })

  it('options that are undefined count as not given', async () => {
    const { service, transport, clock } = createBench({
      limits: { maxBodyBytes: undefined, maxDepth: undefined },
      deadlineMs: undefined,
      publishes: undefined,
    } as never)
    const consumer = service.consume('billing', { ...handlers, concurrency: undefined, retry: undefined } as never)
    await service.start()
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(0)
    expect(consumer.health()).toMatchObject({ handled: 1, deadLettered: 0 })
  })
})

describe('reading dead letters', () => {
  it('gives facts and envelope, and completes after the handler', async () => {
    const { service, transport, clock } = createBench()
    const seen: unknown[] = []
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, (letter) => void seen.push(letter))
    await service.start()
    expect(transport.subscriptions[0]?.subscription).toMatchObject({ source: 'dead', types: 'all', rungsMs: [] })
    const delivery = transport.deliver({
      ...messageOf(orderPlaced, { orderId: 'o-1' }, { id: 'e-1' }),
      headers: { 'posthorn-reason': 'retriesExhausted', 'posthorn-attempt': '4' },
    })
    await clock.advance(0)
    expect(seen).toMatchObject([{ reason: 'retriesExhausted', attempts: 4, envelope: { id: 'e-1' } }])
    expect(delivery.ends).toEqual(['complete'])
  })

  it('keeps a dead letter that its handler refuses, without spinning', async () => {
    const { service, transport, clock } = createBench()
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, () => {
      throw new Error('no')
    })
    await service.start()
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(999)
    expect(delivery.ends).toEqual([])
    await clock.advance(1)
    expect(delivery.ends).toEqual(['release'])
  })

  it('hands over one whose body cannot be read', async () => {
    const { service, transport, clock } = createBench()
    const seen: unknown[] = []
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, (letter) => void seen.push(letter.envelope))
    await service.start()
    const delivery = transport.deliver({ body: Buffer.from([0xff]), contentType: 'application/cloudevents+json' })
    await clock.advance(0)
    expect(seen).toEqual([undefined])
    expect(delivery.ends).toEqual(['complete'])
  })
})
