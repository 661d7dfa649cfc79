import { describe, expect, it } from 'vitest'
import { on, onBatch, retryAfter } from '../../src/index.js'
import type { ConsumerOptions } from '../../src/index.js'
import { createFakeTransport, createGate } from '../fakeTransport.js'
import type { Gate } from '../fakeTransport.js'
import { anything, headersOf, messageOf, orderPaid, orderPlaced, startConsumer } from '../fixtures.js'
import type { Running } from '../fixtures.js'

/** Handlers that wait until a test lets them go, by order id. */
function gatedHandlers(): { options: ConsumerOptions; gates: Map<string, Gate>; started: string[] } {
  const gates = new Map<string, Gate>()
  const started: string[] = []
  const options: ConsumerOptions = {
    handlers: [
      on(orderPlaced, ({ envelope }) => {
        const gate = createGate()
        gates.set(envelope.id, gate)
        started.push(envelope.id)
        return gate.promise
      }),
    ],
  }
  return { options, gates, started }
}

describe('what arrives', () => {
  const options: ConsumerOptions = { handlers: [on(orderPlaced, () => {})] }

  it('is skipped and counted when the group does not handle its type', async () => {
    const running = await startConsumer(options)
    const delivery = running.order('o-1', { contract: orderPaid })
    await running.settle()
    expect(delivery.ends).toEqual(['complete'])
    expect(running.transport.sent).toEqual([])
    expect(running.consumer.health()).toMatchObject({ skipped: 1, handled: 0 })
  })

  it('is dead-lettered with unhandledTypes deadLetter, and every type is asked for', async () => {
    const running = await startConsumer({ ...options, unhandledTypes: 'deadLetter' })
    running.order('o-1', { contract: orderPaid })
    await running.settle()
    expect(running.transport.subscriptions[0]?.subscription.types).toBe('all')
    expect(running.transport.sentTo('dead')[0]?.message.headers).toMatchObject({
      'posthorn-reason': 'unhandledType',
      'posthorn-attempt': '0',
    })
  })

  const json = 'application/cloudevents+json'
  const envelope = (data: unknown): object => ({
    specversion: '1.0',
    id: 'bad',
    source: '/x',
    type: orderPlaced.type,
    data,
  })
  const deep = (levels: number): unknown => {
    let value: unknown = {}
    for (let level = 1; level < levels; level += 1) value = { a: value }
    return value
  }
  const unusable: Readonly<Record<string, { body: Uint8Array | null; contentType?: string; reason: string }>> = {
    'no JSON': { body: Buffer.from('{"a"'), reason: 'undecodable' },
    'no UTF-8': { body: Buffer.from([0x7b, 0xff, 0x7d]), reason: 'undecodable' },
    'too large': { body: Buffer.alloc(1_048_577, 0x20), reason: 'undecodable' },
    'too deep': { body: Buffer.from(JSON.stringify(envelope(deep(65)))), reason: 'undecodable' },
    __proto__: { body: Buffer.from(`{"data":{"__proto__":{}}}`), reason: 'undecodable' },
    'no body': { body: null, reason: 'undecodable' },
    'no object': { body: Buffer.from('[1]'), reason: 'undecodable' },
    'no id': { body: Buffer.from('{"specversion":"1.0","source":"/x","type":"t"}'), reason: 'invalid' },
    'invalid data': { body: Buffer.from(JSON.stringify(envelope({ orderId: 7 }))), reason: 'invalid' },
    foreign: { body: Buffer.from('hello'), contentType: 'text/plain', reason: 'foreign' },
    'a foreign null': { body: null, contentType: '', reason: 'foreign' },
  }
  for (const [what, { body, contentType = json, reason }] of Object.entries(unusable)) {
    it(`is dead-lettered with its original bytes, and its neighbours are handled: ${what}`, async () => {
      const running = await startConsumer(options)
      const before = running.order('before')
      const delivery = running.transport.deliver({ id: 'bad', body, contentType })
      const after = running.order('after')
      await running.settle()
      expect([before, delivery, after].map(({ ends }) => ends)).toEqual([['complete'], ['complete'], ['complete']])
      const [dead] = running.transport.sentTo('dead')
      expect(dead?.message.body).toBe(body)
      expect(dead?.message.contentType).toBe(contentType)
      expect(dead?.message.headers).toMatchObject({ 'posthorn-reason': reason, 'posthorn-attempt': '0' })
      expect(running.consumer.health()).toMatchObject({ handled: 2, deadLettered: 1 })
    })
  }

  it('has its issues in the dead letter, with pointers and without data', async () => {
    const running = await startConsumer(options)
    running.transport.deliver(messageOf(orderPlaced, { orderId: 4711 }))
    await running.settle()
    const issues = JSON.parse(running.transport.sentTo('dead')[0]!.message.headers['posthorn-issues']!) as unknown
    expect(issues).toEqual([{ pointer: '/data/orderId', keyword: 'type', message: 'must be string' }])
  })

  it('may be null: an event whose data is null reaches its handler as it was published', async () => {
    const seen: unknown[] = []
    const running = await startConsumer({ handlers: [on(anything, ({ data }) => void seen.push(data))] })
    await running.service.publish(anything, null)
    const [sent] = running.transport.sent
    running.transport.deliver({ body: sent!.message.body, contentType: sent!.message.contentType })
    await running.settle()
    expect(seen).toEqual([null])
  })

  it('is put aside as a crash loop above maxCrashes, where the transport counts', async () => {
    const running = await startConsumer({ ...options, maxCrashes: 3 })
    running.order('ok', { brokerRedeliveries: 3 })
    running.order('loop', { brokerRedeliveries: 4 })
    await running.settle()
    expect(
      running.transport.sentTo('dead').map(({ message }) => [message.id, message.headers['posthorn-reason']]),
    ).toEqual([['loop', 'crashLoop']])
  })

  it('is not put aside for redeliveries of a transport that does not count crashes', async () => {
    const transport = createFakeTransport({ countsRedeliveries: false })
    const running = await startConsumer(options, { transport })
    running.order('ok', { brokerRedeliveries: 50 })
    await running.settle()
    expect(running.consumer.health().handled).toBe(1)
  })

  it('is handled all the same with validation warn or off', async () => {
    for (const validation of ['warn', 'off'] as const) {
      const running = await startConsumer({ ...options, validation })
      running.transport.deliver(messageOf(orderPlaced, { orderId: 7 }))
      await running.settle()
      expect(running.consumer.health().handled).toBe(1)
      const events = running.logger.records.map(({ facts }) => facts['event'])
      expect(events.includes('consume.invalid')).toBe(validation === 'warn')
    }
  })

  it('with an invalid envelope is dead-lettered whatever validation says', async () => {
    const running = await startConsumer({ ...options, validation: 'off' })
    running.order('o-1', { attributes: { time: 'yesterday' } })
    await running.settle()
    expect(running.transport.sentTo('dead')[0]?.message.headers['posthorn-reason']).toBe('invalid')
  })

  it('foreign is skipped, adopted or dead-lettered as foreign says', async () => {
    const text = { body: Buffer.from('o-9'), contentType: 'text/plain', headers: headersOf({ tenant: 'acme' }) }
    const skipping = await startConsumer({ ...options, foreign: 'skip' })
    const skipped = skipping.transport.deliver(text)
    await skipping.settle()
    expect(skipped.ends).toEqual(['complete'])
    expect(skipping.consumer.health().skipped).toBe(1)

    const seen: unknown[] = []
    const adopting = await startConsumer({
      handlers: [on(orderPlaced, ({ data, envelope }) => void seen.push(data, envelope.id))],
      foreign: ({ body, contentType }) =>
        contentType === 'text/plain'
          ? {
              specversion: '1.0',
              id: 'a-1',
              source: '/legacy',
              type: orderPlaced.type,
              data: { orderId: Buffer.from(body!).toString() },
            }
          : undefined,
    })
    adopting.transport.deliver(text)
    adopting.transport.deliver({ ...text, contentType: 'text/html' })
    await adopting.settle()
    expect(seen).toEqual([{ orderId: 'o-9' }, 'a-1'])
    expect(adopting.transport.sentTo('dead')[0]?.message.headers['posthorn-reason']).toBe('foreign')
  })

  it('is dead-lettered when an adopt function throws or gives nonsense', async () => {
    for (const foreign of [
      () => {
        throw new Error('odd')
      },
      () => ({ nonsense: true }) as never,
      () => Promise.resolve(undefined) as never,
    ]) {
      const running = await startConsumer({ ...options, foreign })
      const delivery = running.transport.deliver({ body: Buffer.from('x'), contentType: 'text/plain' })
      await running.settle()
      expect(delivery.ends).toEqual(['complete'])
      expect(running.transport.sentTo('dead')).toHaveLength(1)
    }
  })

  it('is never lost to a wire format that gives nothing back', async () => {
    const running = await startConsumer(options, {
      wireFormat: { read: () => undefined as never, write: () => ({ body: null, contentType: '', headers: {} }) },
    })
    running.transport.deliver({ body: Buffer.from('x'), contentType: 'text/plain' })
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ skipped: 0, deadLettered: 1 })
  })
})

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
      // prettier-ignore
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

describe('batches', () => {
  function batching(more: { maxCount?: number; maxWaitMs?: number } = {}): {
    options: ConsumerOptions
    calls: string[][]
    attempts: number[][]
  } {
    const calls: string[][] = []
    const attempts: number[][] = []
    const options: ConsumerOptions = {
      handlers: [
        onBatch(
          orderPlaced,
          (items) => {
            calls.push(items.map(({ envelope }) => envelope.id))
            attempts.push(items.map(({ attempt }) => attempt))
            return items.map(({ envelope }) => (envelope.id.startsWith('bad') ? retryAfter(1_000) : undefined))
          },
          { maxCount: 3, maxWaitMs: 200, ...more },
        ),
      ],
      retry: { delaysMs: [1_000, 1_000] },
    }
    return { options, calls, attempts }
  }
  const deliver = (running: Running, ...ids: string[]): void => {
    for (const id of ids) running.order(id)
  }

  it('are handed over when they are full', async () => {
    const { options, calls } = batching()
    const running = await startConsumer(options)
    deliver(running, 'a', 'b', 'c', 'd')
    await running.settle()
    expect(calls).toEqual([['a', 'b', 'c']])
  })

  it('are handed over when their first item has waited long enough', async () => {
    const { options, calls } = batching()
    const running = await startConsumer(options)
    deliver(running, 'a')
    await running.clock.advance(150)
    deliver(running, 'b')
    await running.clock.advance(49)
    expect(calls).toEqual([])
    await running.clock.advance(1)
    expect(calls).toEqual([['a', 'b']])
    deliver(running, 'c')
    await running.clock.advance(199)
    expect(calls).toHaveLength(1)
    await running.clock.advance(1)
    expect(calls).toEqual([['a', 'b'], ['c']])
  })

  it('settle and count attempts per item', async () => {
    const { options, attempts } = batching()
    const running = await startConsumer(options)
    running.order('a')
    running.order('bad')
    running.order('b', { headers: { 'posthorn-attempt': '2' } })
    await running.settle()
    expect(attempts).toEqual([[1, 1, 2]])
    expect(running.transport.sent.map(({ message }) => [message.id, message.headers['posthorn-attempt']])).toEqual([
      ['bad', '2'],
    ])
    expect(running.consumer.health()).toMatchObject({ handled: 2, retried: 1, running: 0, inFlight: 0 })
  })

  it('take one slot each, and hold at most one message of a key', async () => {
    const gates: Gate[] = []
    const sizes: string[][] = []
    const running = await startConsumer({
      handlers: [
        onBatch(
          orderPlaced,
          (items) => {
            sizes.push(items.map(({ envelope }) => envelope.id))
            const gate = createGate()
            gates.push(gate)
            return gate.promise
          },
          { maxCount: 2, maxWaitMs: 10 },
        ),
      ],
      concurrency: 1,
      order: { by: 'partitionKey' },
    })
    for (const [id, key] of [['a1', 'a'], ['a2', 'a'], ['b1', 'b'], ['c1', 'c']] as const) running.order(id, { id, key }) // prettier-ignore
    await running.clock.advance(10)
    expect(sizes).toEqual([['a1', 'b1']])
    expect(running.consumer.health().running).toBe(1)
    gates[0]!.open()
    await running.clock.advance(10)
    expect(sizes).toHaveLength(2)
    expect(sizes[1]?.toSorted()).toEqual(['a2', 'c1'])
  })

  it('are failed as a whole by a throw, each item with its own attempt', async () => {
    const running = await startConsumer({
      handlers: [
        onBatch(
          orderPlaced,
          () => {
            throw new Error('no')
          },
          { maxCount: 2 },
        ),
      ],
      retry: { delaysMs: [1_000, 5_000] },
    })
    running.order('a')
    running.order('b', { headers: { 'posthorn-attempt': '2' } })
    await running.settle()
    expect(running.transport.sent.map(({ name }) => name)).toEqual([
      'orders.billing.retry.1000',
      'orders.billing.retry.5000',
    ])
    expect(running.consumer.health()).toMatchObject({ running: 0, inFlight: 0 })
  })

  it('that are not full are released when the consumer stops', async () => {
    const { options, calls } = batching({ maxWaitMs: 60_000 })
    const running = await startConsumer(options)
    const delivery = running.order('a')
    await running.settle()
    await running.service.stop()
    expect(delivery.ends).toEqual(['release'])
    expect(calls).toEqual([])
  })

  it('free their slot once when their items are held', async () => {
    const running = await startConsumer({
      handlers: [
        onBatch(orderPlaced, (items) => items.map(({ attempt }) => (attempt < 3 ? retryAfter(500) : undefined)), {
          maxCount: 2,
          maxWaitMs: 5,
        }),
      ],
      retry: { delaysMs: [1_000, 1_000] },
      concurrency: 1,
      order: { by: 'partitionKey', onRetry: 'holdKey', maxHeldKeys: 1 },
    })
    for (const id of ['a', 'b', 'c', 'd', 'e']) running.order(id, { key: id })
    await running.clock.advance(60_000)
    expect(running.consumer.health()).toMatchObject({ handled: 5, running: 0, held: 0, inFlight: 0 })
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
