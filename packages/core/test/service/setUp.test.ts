import { describe, expect, it } from 'vitest'
import { createService, on, onBatch } from '../../src/index.js'
import { createFakeTransport } from '../fakeTransport.js'
import { chargeCard, messageOf, orderPaid, orderPlaced } from '../fixtures.js'
import { problemsOf } from '../rejections.js'
import { createBench, handlers } from '../serviceBench.js'

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
    const parts = [
      'bad.group',
      'concurency',
      'above maxInFlight',
      'must not decrease',
      'retry.delays ',
      'order:',
      'maxCrashes',
      'second handler',
    ]
    expect(parts.filter((part) => !problems.some((problem) => problem.includes(part)))).toEqual([])
  })

  const refused: Readonly<Record<string, unknown>> = {
    'no options': undefined,
    'no handlers': {},
    'an empty list': { handlers: [] },
    'a handler that is none': { handlers: [null] },
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
    const held = { ...handlers, order: { by: 'partitionKey' }, handlerTimeoutMs: 1_000 } as const
    expect(() => service.consume('short', { ...held, retry: { delaysMs: [30_000] } })).not.toThrow()
    expect(problemsOf(() => service.consume('long', { ...held, retry: { delaysMs: [30_000, 40_000] } }))).toHaveLength(
      1,
    )
    expect(problemsOf(() => service.consume('hints', { ...held, retry: { delaysMs: [0, 40_000] } }))).toHaveLength(1)
    // Two attempts of 16 s and one wait of 30 s.
    expect(
      problemsOf(() => service.consume('work', { ...held, handlerTimeoutMs: 16_000, retry: { delaysMs: [30_000] } })),
    ).toHaveLength(1)
    expect(
      problemsOf(() => service.consume('hint', { ...held, retry: { delaysMs: [0, 0], maxRetryAfterMs: 40_000 } })),
    ).toHaveLength(1)
  })

  it('are handlers that may take longer than the transport lets a delivery be unsettled', () => {
    const { service } = createBench({ transport: createFakeTransport({ maxHoldMs: 30_000 }) })
    expect(problemsOf(() => service.consume('long', { ...handlers, handlerTimeoutMs: 30_001 }))).toHaveLength(1)
    expect(() => service.consume('short', { ...handlers, handlerTimeoutMs: 30_000 })).not.toThrow()
    expect(() => service.consume('default', handlers)).not.toThrow()
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
