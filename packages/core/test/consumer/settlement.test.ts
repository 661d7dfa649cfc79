import { expect, it } from 'vitest'
import { NonRetryableError, PublishError } from '../../src/errors.js'
import { deadLetter, discard, on } from '../../src/index.js'
import { createGate, never } from '../fakeTransport.js'
import { orderPlaced, startConsumer } from '../fixtures.js'
import type { ConsumerOptions } from '../../src/index.js'

const refused = (): PublishError =>
  new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' })

const failing = (retry: ConsumerOptions['retry'] = {}): ConsumerOptions => ({
  handlers: [
    on(orderPlaced, () => {
      throw new Error('no')
    }),
  ],
  retry,
})

it('completes the original only after the broker confirmed the dead letter', async () => {
  const { order, transport, settle } = await startConsumer(failing({ delaysMs: [] }))
  const gate = createGate()
  transport.answer = () => gate.promise.then(() => ({ routed: true }))
  const delivery = order('o-1')
  await settle()
  expect(delivery.ends).toEqual([])
  gate.open()
  await settle()
  expect(transport.log).toEqual(['sent orders.billing.dead o-1', 'confirmed orders.billing.dead o-1', 'complete o-1'])
})

it('completes the original only after the broker confirmed the retry copy', async () => {
  const { order, transport, settle } = await startConsumer(failing({ delaysMs: [1_000] }))
  const gate = createGate()
  transport.answer = () => gate.promise.then(() => ({ routed: true }))
  const delivery = order('o-1')
  await settle()
  expect(delivery.ends).toEqual([])
  gate.open()
  await settle()
  expect(transport.log).toEqual([
    'sent orders.billing.retry.1000 o-1',
    'confirmed orders.billing.retry.1000 o-1',
    'complete o-1',
  ])
})

it('keeps the original and repeats a dead letter that the broker refuses, with growing waits, until it is stored', async () => {
  const { order, transport, clock, settle, consumer, logger } = await startConsumer(failing({ delaysMs: [] }))
  let refusals = 6
  transport.answer = async () => {
    if (refusals-- > 0) throw refused()
    return { routed: true }
  }
  const delivery = order('o-1')
  await settle()
  expect(delivery.ends).toEqual([])
  expect(consumer.health()).toMatchObject({ stuck: 1, inFlight: 1, deadLettered: 0 })
  await clock.advance(60_000)
  expect(transport.sentTo('dead')).toHaveLength(7)
  expect(delivery.ends).toEqual(['complete'])
  expect(consumer.health()).toMatchObject({ stuck: 0, inFlight: 0, deadLettered: 1 })
  const stuck = logger.records.filter(({ facts }) => facts['event'] === 'settle.stuck')
  expect(stuck[0]?.facts['err']).toMatchObject({ code: 'POSTHORN_DEAD_LETTER' })
})

it('does not spin while the dead-letter queue refuses: at most a dozen sends in the first second', async () => {
  const { order, transport, clock } = await startConsumer(failing({ delaysMs: [] }))
  transport.answer = () => Promise.reject(refused())
  order('o-1')
  await clock.advance(120_000)
  // Waits grow to at most 15 s: over two minutes there are at least eight further sends, and far from a hundred.
  expect(transport.sent.length).toBeGreaterThanOrEqual(8)
  expect(transport.sent.length).toBeLessThan(100)
})

it('takes an unrouted copy for a refused one', async () => {
  const { order, transport, clock, settle } = await startConsumer(failing({ delaysMs: [] }))
  let routed = false
  transport.answer = async () => ({ routed })
  const delivery = order('o-1')
  await settle()
  expect(delivery.ends).toEqual([])
  routed = true
  await clock.advance(1_000)
  expect(delivery.ends).toEqual(['complete'])
})

it('trusts a receipt of a transport that cannot tell whether a copy was routed', async () => {
  const { order, transport, settle } = await startConsumer(failing({ delaysMs: [] }))
  transport.answer = async () => ({ routed: undefined })
  const delivery = order('o-1')
  await settle()
  expect(delivery.ends).toEqual(['complete'])
})

it('releases the original when the consumer stops while a dead letter is refused', async () => {
  const { order, transport, service, clock, settle, consumer } = await startConsumer(failing({ delaysMs: [] }))
  transport.answer = () => Promise.reject(refused())
  const delivery = order('o-1')
  await settle()
  const stopped = service.stop({ deadlineMs: 1_000 })
  await clock.advance(1_000)
  await stopped
  expect(delivery.ends).toEqual(['release'])
  expect(consumer.health()).toMatchObject({ stuck: 0, inFlight: 0 })
})

it('survives a transport that throws from send instead of rejecting', async () => {
  const { order, transport, clock, settle } = await startConsumer(failing({ delaysMs: [] }))
  let thrown = 0
  const { send } = transport
  transport.send = (target, message, options) => {
    if (thrown++ === 0) throw refused()
    return send(target, message, options)
  }
  const delivery = order('o-1')
  await settle()
  expect(delivery.ends).toEqual([])
  await clock.advance(1_000)
  expect(delivery.ends).toEqual(['complete'])
})

it('gives up a copy whose send never settles, and sends it again', async () => {
  const { order, transport, clock, settle, consumer } = await startConsumer(failing({ delaysMs: [] }))
  let hangs = true
  transport.answer = () => (hangs ? never() : Promise.resolve({ routed: true }))
  const delivery = order('o-1')
  await settle()
  hangs = false
  await clock.advance(60_000)
  expect(transport.sentTo('dead').length).toBeGreaterThanOrEqual(2)
  expect(delivery.ends).toEqual(['complete'])
  expect(consumer.health().deadLettered).toBe(1)
})

it('gives every copy a deadline and a signal', async () => {
  const { order, transport, clock, settle } = await startConsumer(failing({ delaysMs: [] }))
  order('o-1')
  await settle()
  expect(transport.sent[0]?.options.deadline).toBeGreaterThan(clock.monotonic())
  expect(transport.sent[0]?.options.signal).toBeInstanceOf(AbortSignal)
})

it('completes, discards and dead-letters as the handler says', async () => {
  const outcomes = { done: undefined, drop: discard('old'), aside: deadLetter('looks odd') }
  const { order, transport, settle, consumer } = await startConsumer({
    handlers: [on(orderPlaced, ({ data }) => outcomes[data.orderId as keyof typeof outcomes])],
  })
  const deliveries = Object.keys(outcomes).map((id) => order(id))
  await settle()
  expect(deliveries.map(({ ends }) => ends)).toEqual([['complete'], ['complete'], ['complete']])
  expect(transport.sent.map(({ name, message }) => [name, message.id, message.headers['posthorn-reason']])).toEqual([
    ['orders.billing.dead', 'aside', 'rejected'],
  ])
  expect(transport.sent[0]?.message.headers).toMatchObject({
    'posthorn-attempt': '1',
    'posthorn-error-message': 'looks odd',
  })
  expect(consumer.health()).toMatchObject({ handled: 1, discarded: 1, deadLettered: 1, inFlight: 0 })
})

it('describes the error that a handler gives beside its reason', async () => {
  const { order, transport, settle } = await startConsumer({
    handlers: [on(orderPlaced, () => deadLetter('looks odd', new RangeError('below zero')))],
  })
  order('o-1')
  await settle()
  expect(transport.sent[0]?.message.headers).toMatchObject({
    'posthorn-reason': 'rejected',
    'posthorn-error-name': 'RangeError',
    'posthorn-error-message': 'below zero',
  })
})

it('keeps a message that is dead-lettered in its original bytes and content type', async () => {
  const { transport, settle } = await startConsumer(failing())
  const body = Buffer.from([0xff, 0xfe, 0x00, 0x7b])
  const delivery = transport.deliver({ id: 'broken', body, contentType: 'application/cloudevents+json' })
  await settle()
  const { message } = transport.sentTo('dead')[0]!
  expect(message.body).toBe(body)
  expect(message.contentType).toBe('application/cloudevents+json')
  expect(message.id).toBe('broken')
  expect(message.type).toBe('')
  expect(message.headers).toMatchObject({ 'posthorn-reason': 'undecodable', 'posthorn-attempt': '0' })
  expect(delivery.ends).toEqual(['complete'])
})

it('gives a dead letter without any id of its own a new one', async () => {
  const { transport, settle } = await startConsumer(failing())
  const delivery = transport.deliver({ id: '', body: Buffer.from('x'), contentType: 'text/plain' })
  await settle()
  expect(transport.sentTo('dead')[0]?.message.id).not.toBe('')
  expect(delivery.ends).toEqual(['complete'])
})

const hostile: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  'a string': () => 'broken',
  'a symbol': () => Symbol('broken'),
  'a frozen object': () => Object.freeze({ broken: true }),
  'an object without prototype': () => Object.create(null) as unknown,
  'an object with throwing getters': () =>
    Object.defineProperties(
      {},
      Object.fromEntries(
        ['name', 'message', 'stack', 'issues', 'code', 'retryAfterMs', 'cause'].map((key) => [
          key,
          {
            enumerable: true,
            get: () => {
              throw new Error('hands off')
            },
          },
        ]),
      ),
    ),
  'an error with a throwing message': () =>
    Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('hands off')
      },
    }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  'an error whose issues hold a BigInt': () => Object.assign(new Error('too small'), { issues: [{ minimum: 5n }] }),
  'an error whose issues hold a cycle': () => {
    const issue: Record<string, unknown> = {}
    issue['self'] = issue
    return Object.assign(new Error('cyclic'), { issues: [issue] })
  },
  'a NonRetryableError': () => new NonRetryableError('never'),
}

for (const [what, make] of Object.entries(hostile)) {
  it(`dead-letters once, and never releases, when the handler throws ${what}`, async () => {
    for (const style of ['sync', 'async'] as const) {
      const error = make()
      const { transport, order, clock } = await startConsumer({
        handlers: [
          on(orderPlaced, (): void | Promise<void> => {
            if (style === 'async') return Promise.reject(error as Error)
            throw error
          }),
        ],
        retry: { delaysMs: [] },
      })
      const delivery = order('o-1')
      await clock.advance(60_000)
      expect(transport.sentTo('dead')).toHaveLength(1)
      expect(delivery.ends).toEqual(['complete'])
    }
  })
}
