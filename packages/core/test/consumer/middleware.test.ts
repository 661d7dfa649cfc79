import { describe, expect, it } from 'vitest'
import { complete, deadLetter, discard, handledAs, NonRetryableError, on, onBatch } from '../../src/index.js'
import type { HandlerRegistration, Middleware } from '../../src/index.js'
import { messageOf, orderPlaced, startConsumer } from '../fixtures.js'

const named =
  (name: string, log: string[]): Middleware =>
  async (_call, next) => {
    log.push(`${name} before`)
    const handled = await next()
    log.push(`${name} after`)
    return handled
  }

it('wraps middleware around the handler, the first outermost', async () => {
  const log: string[] = []
  const running = await startConsumer({
    handlers: [on(orderPlaced, () => void log.push('handler'))],
    middleware: [named('a', log), named('b', log)],
  })
  const delivery = running.order('o-1')
  await running.settle()
  expect(log).toEqual(['a before', 'b before', 'handler', 'b after', 'a after'])
  expect(delivery.ends).toEqual(['complete'])
})

it('lets middleware answer in place of the handler', async () => {
  let called = false
  const running = await startConsumer({
    handlers: [on(orderPlaced, () => void (called = true))],
    middleware: [async (call) => handledAs(call, discard('not today'))],
  })
  running.order('o-1')
  await running.settle()
  expect(called).toBe(false)
  expect(running.consumer.health().discarded).toBe(1)
})

it('shows middleware the handler’s own error, never wrapped', async () => {
  const own = Object.freeze({ code: 'mine' })
  const seen: unknown[] = []
  const running = await startConsumer({
    handlers: [
      on(orderPlaced, () => {
        throw own
      }),
    ],
    middleware: [
      async (call, next) => {
        try {
          return await next()
        } catch (error) {
          seen.push(error)
          return handledAs(call, complete())
        }
      },
    ],
  })
  const delivery = running.order('o-1')
  await running.settle()
  expect(seen).toEqual([own])
  expect(delivery.ends).toEqual(['complete'])
})

describe('a wrong result', () => {
  const wrong: Readonly<Record<string, unknown>> = {
    null: null,
    true: true,
    'a number': 42,
    'an object that looks like an outcome': { kind: 'complete' },
    'a list of a single handler': [complete()],
  }
  for (const [what, value] of Object.entries(wrong)) {
    it(`of a handler is dead-lettered at once: ${what}`, async () => {
      for (const result of [value, Promise.resolve(value)]) {
        const running = await startConsumer({ handlers: [on(orderPlaced, () => result as never)] })
        running.order('o-1')
        await running.settle()
        const { message } = running.transport.sentTo('dead')[0]!
        expect(message.headers).toMatchObject({ 'posthorn-reason': 'nonRetryable', 'posthorn-attempt': '1' })
      }
    })
  }

  it('of middleware is dead-lettered at once', async () => {
    for (const value of [undefined, null, {}, { outcomes: [] }, { outcomes: [complete(), complete()] }, complete()]) {
      const running = await startConsumer({
        handlers: [on(orderPlaced, () => {})],
        middleware: [async () => value as never],
      })
      running.order('o-1')
      await running.settle()
      expect(running.transport.sentTo('dead')[0]?.message.headers['posthorn-reason']).toBe('nonRetryable')
    }
  })

  it('of middleware that is not even asynchronous is a failure of its call', async () => {
    const running = await startConsumer({
      handlers: [on(orderPlaced, () => {})],
      middleware: [
        (() => {
          throw new NonRetryableError('no')
        }) as never,
      ],
    })
    const delivery = running.order('o-1')
    await running.settle()
    expect(running.transport.sentTo('dead')).toHaveLength(1)
    expect(delivery.ends).toEqual(['complete'])
  })

  const future = { ...complete(), kind: 'postpone' }
  it('is an outcome of an unknown kind, as a newer copy of the package may make', async () => {
    const running = await startConsumer({ handlers: [on(orderPlaced, () => future as never)] })
    const delivery = running.order('o-1')
    await running.settle()
    expect(running.transport.sentTo('dead')).toHaveLength(1)
    expect(delivery.ends).toEqual(['complete'])
  })
})

describe('a batch', () => {
  const batchOf = (result: (count: number) => unknown, async: boolean): HandlerRegistration =>
    onBatch(orderPlaced, (items) => (async ? Promise.resolve(result(items.length)) : result(items.length)) as never, {
      maxCount: 3,
      maxWaitMs: 10,
    })

  async function runBatch(registration: HandlerRegistration): Promise<{ ends: string[]; dead: number }> {
    const running = await startConsumer({ handlers: [registration] })
    const list = [1, 2, 3].map((number) => messageOf(orderPlaced, { orderId: `o-${number}` }, { id: `o-${number}` }))
    const deliveries = running.transport.deliverAll(list)
    await running.clock.advance(60_000)
    // A consumer that got stuck handles nothing afterwards.
    const after = running.transport.deliverAll(list)
    await running.clock.advance(60_000)
    expect(after.every(({ ends }) => ends.length === 1)).toBe(true)
    return { ends: deliveries.flatMap(({ ends }) => ends), dead: running.transport.sentTo('dead').length / 2 }
  }

  for (const async of [false, true]) {
    const style = async ? 'async' : 'sync'
    it(`settles each item its own way; a gap in the list completes (${style})`, async () => {
      const sparse = (count: number): unknown => {
        const outcomes = new Array<unknown>(count)
        outcomes[1] = deadLetter('odd')
        return outcomes
      }
      expect(await runBatch(batchOf(sparse, async))).toEqual({ ends: ['complete', 'complete', 'complete'], dead: 1 })
    })

    it(`with a list of another length dead-letters all its items (${style})`, async () => {
      expect(await runBatch(batchOf(() => [complete()], async))).toEqual({
        ends: ['complete', 'complete', 'complete'],
        dead: 3,
      })
    })

    it(`with something else in its list dead-letters all its items (${style})`, async () => {
      expect(await runBatch(batchOf(() => [undefined, 'ok', undefined], async))).toMatchObject({ dead: 3 })
    })
  }
})

it('settles at once, without a turn between, where neither handler nor middleware is asynchronous', async () => {
  const running = await startConsumer({ handlers: [on(orderPlaced, () => {})] })
  expect(running.order('o-1').ends).toEqual(['complete'])
})
