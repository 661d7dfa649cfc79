import { expect, it } from 'vitest'
import { NonRetryableError, on } from '../../src/index.js'
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

it('lets the retry policy judge a late failure as it was thrown', async () => {
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
  expect(judged).toEqual([own])
  expect(judged[0]).toBe(own)
  expect(running.transport.sent.map(({ name }) => name)).toEqual(['orders.billing.retry.1000'])
})

it('honours the hint on an error that comes late', async () => {
  const { options, gates } = gated({ retry: { delaysMs: [1_000, 5_000] } })
  const running = await startConsumer(options)
  running.order('slow')
  await running.clock.advance(5_000)
  gates[0]!.fail(Object.assign(new Error('busy'), { retryAfterMs: 5_000 }))
  await running.settle()
  expect(running.transport.sent.map(({ name }) => name)).toEqual(['orders.billing.retry.5000'])
})

it('records a late failure as a HandlerTimeoutError whose cause is the handler’s own error', async () => {
  const { options, gates } = gated({ retry: { delaysMs: [] } })
  const running = await startConsumer(options)
  running.order('slow')
  await running.clock.advance(5_000)
  const own = Object.assign(new Error('own'), { name: 'OwnError' })
  gates[0]!.fail(own)
  await running.settle()
  expect(running.transport.sentTo('dead')[0]?.message.headers).toMatchObject({
    'posthorn-reason': 'retriesExhausted',
    'posthorn-error-name': 'HandlerTimeoutError',
  })
  const record = running.logger.records.find(({ facts }) => facts['event'] === 'message.deadLettered')
  expect(record!.facts['err']).toMatchObject({
    code: 'POSTHORN_RETRIES_EXHAUSTED',
    causes: [{ code: 'POSTHORN_HANDLER_TIMEOUT' }, { name: 'OwnError' }],
  })
})

it('records a failure in time as what it is', async () => {
  const { options, gates } = gated({ retry: { delaysMs: [] } })
  const running = await startConsumer(options)
  running.order('quick')
  await running.clock.advance(999)
  gates[0]!.fail(new RangeError('own'))
  await running.settle()
  expect(running.transport.sentTo('dead')[0]?.message.headers).toMatchObject({
    'posthorn-error-name': 'RangeError',
    'posthorn-error-message': 'own',
  })
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
