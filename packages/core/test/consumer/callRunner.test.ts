import { describe, expect, it } from 'vitest'
import { complete, NonRetryableError, on } from '../../src/index.js'
import type { ConsumerOptions, HandlerContext } from '../../src/index.js'
import { createGate } from '../fakeTransport.js'
import type { Gate } from '../fakeTransport.js'
import { orderPlaced, startConsumer } from '../fixtures.js'

/** A handler that waits for a gate, and shows its context. */
function gated(more: Partial<ConsumerOptions> = {}): {
  options: ConsumerOptions
  gates: Gate[]
  contexts: HandlerContext[]
} {
  const gates: Gate[] = []
  const contexts: HandlerContext[] = []
  const options: ConsumerOptions = {
    handlers: [
      on(orderPlaced, (_message, context) => {
        const gate = createGate()
        gates.push(gate)
        contexts.push(context)
        return gate.promise
      }),
    ],
    handlerTimeoutMs: 1_000,
    retry: { delaysMs: [] },
    ...more,
  }
  return { options, gates, contexts }
}

it('fires the signal of a call that takes too long, and leaves slot and message with it', async () => {
  const { options, contexts } = gated({ concurrency: 1 })
  const running = await startConsumer(options)
  const delivery = running.order('slow')
  const next = running.order('next')
  await running.settle()
  const { signal } = contexts[0]!
  await running.clock.advance(999)
  expect(signal.aborted).toBe(false)
  await running.clock.advance(1)
  expect(signal.aborted).toBe(true)
  expect(signal.reason).toMatchObject({ code: 'POSTHORN_HANDLER_TIMEOUT' })
  await running.clock.advance(100_000)
  expect(delivery.ends).toEqual([])
  expect(next.ends).toEqual([])
  expect(contexts).toHaveLength(1)
  expect(running.consumer.health()).toMatchObject({ timedOut: 1, running: 1 })
})

it('completes a call that succeeds after its time', async () => {
  const { options, gates } = gated()
  const running = await startConsumer(options)
  const delivery = running.order('slow')
  await running.clock.advance(5_000)
  gates[0]!.open()
  await running.settle()
  expect(delivery.ends).toEqual(['complete'])
  expect(running.transport.sent).toEqual([])
})

it('gives a late failure to the retry policy as HandlerTimeoutError with the handler’s error as its cause', async () => {
  const judged: unknown[] = []
  const { options, gates } = gated({
    retry: {
      delaysMs: [1_000],
      isNonRetryable: (error) => {
        judged.push(error)
        return false
      },
    },
  })
  const running = await startConsumer(options)
  running.order('slow')
  await running.clock.advance(5_000)
  const own = new Error('own')
  gates[0]!.fail(own)
  await running.settle()
  expect(judged).toHaveLength(1)
  expect(judged[0]).toMatchObject({ code: 'POSTHORN_HANDLER_TIMEOUT', cause: own })
  expect(running.transport.sent.map(({ name }) => name)).toEqual(['orders.billing.retry.1000'])
})

it('does not retry a NonRetryableError, also when it comes late', async () => {
  const { options, gates } = gated({ retry: { delaysMs: [1_000] } })
  const running = await startConsumer(options)
  running.order('slow')
  await running.clock.advance(5_000)
  gates[0]!.fail(new NonRetryableError('the card does not exist'))
  await running.settle()
  expect(running.transport.sent.map(({ name }) => name)).toEqual(['orders.billing.dead'])
})

it('shows an aborted signal to a handler that reads it only after its time', async () => {
  const { options, contexts } = gated()
  const running = await startConsumer(options)
  running.order('slow')
  await running.clock.advance(2_000)
  expect(contexts[0]!.signal.aborted).toBe(true)
})

it('times every call from its own start', async () => {
  const { options, contexts } = gated({ concurrency: 10 })
  const running = await startConsumer(options)
  running.order('a')
  await running.clock.advance(600)
  running.order('b')
  await running.settle()
  const signals = contexts.map(({ signal }) => signal)
  await running.clock.advance(400)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  await running.clock.advance(599)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  await running.clock.advance(1)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
})

it('goes on watching after a call that ended in time', async () => {
  const { options, contexts, gates } = gated({ concurrency: 10 })
  const running = await startConsumer(options)
  running.order('a')
  await running.clock.advance(500)
  gates[0]!.open()
  await running.clock.advance(10_000)
  running.order('b')
  await running.settle()
  const { signal } = contexts[1]!
  await running.clock.advance(1_000)
  expect(signal.aborted).toBe(true)
})

it('does not time a call that ended', async () => {
  const { options, contexts, gates } = gated()
  const running = await startConsumer(options)
  running.order('a')
  await running.settle()
  const { signal } = contexts[0]!
  gates[0]!.open()
  await running.clock.advance(10_000)
  expect(signal.aborted).toBe(false)
  expect(running.consumer.health().timedOut).toBe(0)
})

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

it('aborts the calls that run shortly before the stop’s deadline, and releases those that then fail', async () => {
  const running = await startConsumer({
    handlers: [
      on(
        orderPlaced,
        (_message, { signal }) =>
          new Promise<void>((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error))
          }),
      ),
    ],
  })
  const delivery = running.order('o-1')
  await running.settle()
  const stopped = running.service.stop({ deadlineMs: 10_000 })
  await running.clock.advance(6_000)
  expect(delivery.ends).toEqual([])
  await running.clock.advance(4_000)
  await stopped
  expect(delivery.ends).toEqual(['release'])
  expect(running.transport.sent).toEqual([])
})

it('completes a call that ends well after the stop’s abort', async () => {
  const { options, gates, contexts } = gated({ handlerTimeoutMs: 60_000 })
  const running = await startConsumer(options)
  const delivery = running.order('o-1')
  await running.settle()
  const { signal } = contexts[0]!
  const stopped = running.service.stop({ deadlineMs: 10_000 })
  signal.addEventListener('abort', () => gates[0]!.open())
  await running.clock.advance(10_000)
  await stopped
  expect(delivery.ends).toEqual(['complete'])
})
