import { describe, expect, it } from 'vitest'
import { complete, on } from '../../src/index.js'
import { orderPlaced, startConsumer } from '../fixtures.js'

it('treats a synchronous throw exactly as a rejected promise', async () => {
  const ends: unknown[] = []
  for (const style of ['sync', 'async'] as const) {
    const running = await startConsumer({
      handlers: [
        on(orderPlaced, () => {
          const error = Object.assign(new Error('no'), { retryAfterMs: 700 })
          error.stack = 'stack'
          if (style === 'async') return Promise.reject(error)
          throw error
        }),
      ],
      retry: { delaysMs: [1_000] },
    })
    const delivery = running.order('o-1')
    await running.settle()
    const { name, message } = running.transport.sent[0]!
    ends.push([name, { ...message.headers }, delivery.ends, running.consumer.health().retried])
  }
  expect(ends[0]).toEqual(ends[1])
})

it('takes any thenable for asynchronous', async () => {
  const running = await startConsumer({
    handlers: [on(orderPlaced, () => ({ then: (resolve: (value: unknown) => void) => resolve(complete()) }) as never)],
  })
  const delivery = running.order('o-1')
  await running.settle()
  expect(delivery.ends).toEqual(['complete'])
})

describe('a thenable that breaks the rules', () => {
  type Then = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void
  const unruly: Readonly<Record<string, { then: Then; end: string }>> = {
    'resolves twice': { then: (resolve) => [resolve(undefined), resolve(undefined)], end: 'handled' },
    'resolves and rejects': {
      then: (resolve, reject) => [resolve(undefined), reject(new Error('no'))],
      end: 'handled',
    },
    'throws from then': {
      then: () => {
        throw new Error('no')
      },
      end: 'deadLettered',
    },
    'resolves and throws': {
      then: (resolve) => {
        resolve(undefined)
        throw new Error('no')
      },
      end: 'handled',
    },
    'resolves to a promise': { then: (resolve) => resolve(Promise.resolve(undefined)), end: 'handled' },
  }
  for (const [what, { then, end }] of Object.entries(unruly)) {
    it(`settles its message once and frees its slot once: ${what}`, async () => {
      let active = 0
      let most = 0
      const running = await startConsumer({
        handlers: [
          on(orderPlaced, ({ data }) => {
            if (data.orderId === 'unruly') return { then } as never
            active += 1
            most = Math.max(most, active)
            return Promise.resolve().then(() => void (active -= 1))
          }),
        ],
        retry: { delaysMs: [] },
        concurrency: 1,
      })
      const deliveries = ['unruly', 'b', 'c', 'd', 'e'].map((id) => running.order(id))
      await running.settle()
      expect(deliveries.map(({ ends }) => ends)).toEqual(Array(5).fill(['complete']))
      expect(most).toBe(1)
      expect(running.consumer.health()).toMatchObject({ running: 0, inFlight: 0 })
      expect(running.consumer.health()[end as 'handled']).toBe(end === 'handled' ? 5 : 1)
    })
  }
})
