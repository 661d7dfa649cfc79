import {
  complete,
  createService,
  deadLetter,
  discard,
  NonRetryableError,
  on,
  retryAfter,
  silentLogger,
} from '@posthorn/core'
import type { ConsumerOptions, Handler, Service, ServiceOptions } from '@posthorn/core'
import type { Receipt, WireMessage } from '@posthorn/core/adapter'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { numbersOf, raisedOf } from './numbers.js'
import { orderContract } from './oneOrder.js'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

const orderPlaced = orderContract('orders')
type Order = { orderId: string; note: string }
const order = (orderId = 'o-1', note = 'n'): Order => ({ orderId, note })

let sdk: Sdk
let service: Service
beforeEach(() => {
  sdk = createSdk()
})
afterEach(async () => {
  await service.stop({ deadlineMs: 500 })
  await sdk.close()
})

function make(options: Partial<ServiceOptions> = {}): void {
  const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
  service = createService({ source: '/shop', logger: silentLogger, transport: createMemory(), telemetry, ...options })
}

async function consume(handler: Handler<Order>, options: Partial<ConsumerOptions> = {}): Promise<void> {
  make()
  service.consume('billing', { handlers: [on(orderPlaced, handler)], ...options })
  await service.start()
}

/** Waits until a metric says what is expected; zeros are left out. */
const says = (name: string, expected: Record<string, number>): Promise<void> =>
  expect.poll(() => raisedOf(sdk, name)).toEqual(expected)

describe('publishing', () => {
  test('what is in flight, what waits, and the window that both have', async () => {
    const open: ((receipt: Receipt) => void)[] = []
    const transport = { ...createMemory(), send: () => new Promise<Receipt>((resolve) => open.push(resolve)) }
    make({ transport, maxUnconfirmed: 2, maxUnconfirmedBytes: 1_000_000 })
    await service.start()
    const publishes = [1, 2, 3, 4, 5].map(() => service.publish(orderPlaced, order()))
    expect(await numbersOf(sdk, 'posthorn.publisher.in_flight')).toEqual({ '': 2 })
    expect(await numbersOf(sdk, 'posthorn.publisher.window')).toEqual({ '': 2 })
    expect(await numbersOf(sdk, 'posthorn.publisher.window_size')).toEqual({ '': 1_000_000 })
    expect((await numbersOf(sdk, 'posthorn.publisher.in_flight_size'))['']).toBeGreaterThan(500)
    expect(await numbersOf(sdk, 'posthorn.publisher.waiting')).toEqual({ '': 3 })
    while (open.length > 0) {
      open.shift()!({ routed: true })
      await new Promise(setImmediate)
    }
    await Promise.all(publishes)
    expect(await numbersOf(sdk, 'posthorn.publisher.published')).toEqual({ '': 5 })
    expect(await numbersOf(sdk, 'posthorn.publisher.waiting')).toEqual({ '': 0 })
    expect((await numbersOf(sdk, 'posthorn.publisher.wait_time'))['']).toBeGreaterThan(0)
  })

  test('failures by their code, those before the transport included, and events that nobody receives', async () => {
    make({ transport: { ...createMemory(), send: () => Promise.reject(new Error('full')) } })
    await service.start()
    await expect(service.publish(orderPlaced, { orderId: 1 } as never)).rejects.toThrow()
    await expect(service.publish(orderPlaced, order())).rejects.toThrow('full')
    expect(await numbersOf(sdk, 'posthorn.publisher.failed')).toEqual({ POSTHORN_INVALID_DATA: 1, _OTHER: 1 })
    await service.stop()
    make()
    await service.start()
    await service.publish(orderPlaced, order())
    expect(await numbersOf(sdk, 'posthorn.publisher.unrouted')).toEqual({ '': 1 })
  })
})

describe('consuming', () => {
  test('retries by their class: what threw, what asked for it, what took too long', async () => {
    let calls = 0
    await consume(
      async (_, { signal }) => {
        calls += 1
        if (calls === 1) throw new Error('first')
        if (calls === 2) return retryAfter(1)
        if (calls === 3) {
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          throw new Error('aborted')
        }
        return complete()
      },
      { retry: { delaysMs: [0, 1, 1] }, handlerTimeoutMs: 20 },
    )
    await service.publish(orderPlaced, order())
    await says('posthorn.consumer.settled', { 'billing handled': 1, 'billing retried': 2 })
    const retries = { 'billing error': 1, 'billing retryAfter': 1, 'billing timeout': 1 }
    expect(await raisedOf(sdk, 'posthorn.consumer.retries')).toEqual(retries)
    expect(await numbersOf(sdk, 'posthorn.consumer.handler_timeouts')).toEqual({ billing: 1 })
    expect((await numbersOf(sdk, 'posthorn.consumer.wait_time'))['billing']).toBeGreaterThan(0)
  })

  test('dead letters by the reason that stands on them, and other ends', async () => {
    const results = [() => Promise.reject(new NonRetryableError('no')), () => deadLetter('no'), () => discard('no')]
    const handler = (): ReturnType<Handler<Order>> => results.shift()?.() ?? Promise.reject(new Error('again'))
    await consume(handler, { retry: { delaysMs: [0] }, concurrency: 1 })
    for (let count = 0; count < 4; count += 1) await service.publish(orderPlaced, order())
    const letters = { 'billing nonRetryable': 1, 'billing rejected': 1, 'billing retriesExhausted': 1 }
    await says('posthorn.consumer.dead_letters', letters)
    const all = await numbersOf(sdk, 'posthorn.consumer.dead_letters')
    expect(all['billing crashLoop']).toBe(0) // A series is there before its first increase.
    const ends = { 'billing deadLettered': 3, 'billing discarded': 1 }
    expect(await raisedOf(sdk, 'posthorn.consumer.settled')).toEqual(ends)
    expect(await raisedOf(sdk, 'posthorn.consumer.retries')).toEqual({ 'billing error': 1 })
  })

  test('what is skipped, by why', async () => {
    const transport = createMemory()
    make({ transport })
    service.consume('billing', { foreign: 'skip', handlers: [on(orderPlaced, () => {})] })
    await service.start()
    const raw: WireMessage = {
      body: Buffer.from('hello'),
      contentType: 'text/plain',
      id: 'm-1',
      type: orderPlaced.type,
      headers: {},
    }
    await transport.send({ destination: 'orders' }, raw, { deadline: Infinity })
    const other = JSON.stringify({ specversion: '1.0', id: 'm-2', source: '/old', type: 'com.example.other.v1' })
    const body = Buffer.from(other)
    const foreign = { ...raw, body, contentType: 'application/cloudevents+json; charset=UTF-8' }
    await transport.send({ group: { destination: 'orders', group: 'billing' } }, foreign, { deadline: Infinity })
    await says('posthorn.consumer.skipped', { 'billing foreign': 1, 'billing unhandledType': 1 })
  })

  test('what is in flight, runs and waits for a slot, with the limits, and how old the oldest is', async () => {
    let end = (): void => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    await consume(() => ended, { concurrency: 2, maxInFlight: 5 })
    for (let count = 0; count < 7; count += 1) await service.publish(orderPlaced, order())
    await says('posthorn.consumer.in_flight', { billing: 5 })
    expect(await numbersOf(sdk, 'posthorn.consumer.window')).toEqual({ billing: 5 })
    expect(await numbersOf(sdk, 'posthorn.consumer.running')).toEqual({ billing: 2 })
    expect(await numbersOf(sdk, 'posthorn.consumer.concurrency')).toEqual({ billing: 2 })
    expect(await raisedOf(sdk, 'posthorn.consumer.waiting')).toEqual({ 'billing slot': 3 })
    expect((await numbersOf(sdk, 'posthorn.consumer.oldest_age'))['billing']).toBeGreaterThan(0)
    end()
    await says('posthorn.consumer.settled', { 'billing handled': 7 })
    expect(await numbersOf(sdk, 'posthorn.consumer.oldest_age')).toEqual({ billing: 0 })
  })

  test('held keys with their limit, and what waits for them', async () => {
    await consume(() => Promise.reject(new Error('again')), {
      retry: { delaysMs: [60_000] },
      order: { by: 'partitionKey', maxHeldKeys: 7 },
    })
    for (const key of ['a', 'a', 'b']) await service.publish(orderPlaced, order(key))
    await says('posthorn.consumer.held_keys', { billing: 2 })
    expect(await numbersOf(sdk, 'posthorn.consumer.held_keys_limit')).toEqual({ billing: 7 })
    expect(await raisedOf(sdk, 'posthorn.consumer.waiting')).toEqual({ 'billing key': 1, 'billing retry': 2 })
  })

  test('groups without held keys tell nothing of them', async () => {
    await consume(() => {})
    expect(await numbersOf(sdk, 'posthorn.consumer.held_keys')).toEqual({})
    expect(await numbersOf(sdk, 'posthorn.consumer.held_keys_limit')).toEqual({})
  })

  test('dead letters that the broker does not take are stuck', async () => {
    const transport = createMemory()
    make({
      transport: {
        ...transport,
        send: (target, ...rest) =>
          'dead' in target ? Promise.reject(new Error('full')) : transport.send(target, ...rest),
      },
    })
    const fail = on(orderPlaced, () => Promise.reject(new NonRetryableError('no')))
    service.consume('billing', { handlers: [fail] })
    await service.start()
    await service.publish(orderPlaced, order())
    await says('posthorn.consumer.stuck', { billing: 1 })
    expect(await raisedOf(sdk, 'posthorn.consumer.dead_letters')).toEqual({})
  })
})

describe('the service', () => {
  test('is ready while all of it runs, and shows the states of its parts', async () => {
    const broker = createMemoryBroker()
    make({ transport: createMemory({ broker }) })
    const consumer = service.consume('billing', { handlers: [on(orderPlaced, () => {})] })
    await service.start()
    expect(await numbersOf(sdk, 'posthorn.service.ready')).toEqual({ '': 1 })
    expect(await raisedOf(sdk, 'posthorn.transport.state')).toEqual({ ready: 1 })
    expect(await raisedOf(sdk, 'posthorn.consumer.state')).toEqual({ 'billing running': 1 })
    consumer.pause()
    expect(await numbersOf(sdk, 'posthorn.service.ready')).toEqual({ '': 0 })
    expect(await raisedOf(sdk, 'posthorn.consumer.state')).toEqual({ 'billing paused': 1 })
    consumer.resume()
    broker.down()
    expect(await raisedOf(sdk, 'posthorn.transport.state')).toEqual({ connecting: 1 })
    expect(await numbersOf(sdk, 'posthorn.service.ready')).toEqual({ '': 0 })
    broker.up()
    await says('posthorn.transport.reconnects', { '': 1 })
    await service.stop()
    expect(await raisedOf(sdk, 'posthorn.service.ready')).toEqual({})
    expect(await raisedOf(sdk, 'posthorn.transport.state')).toEqual({})
    expect(await raisedOf(sdk, 'posthorn.consumer.state')).toEqual({})
    broker.close()
  })

  test('without telemetry it shows nothing, and before it starts neither', async () => {
    make()
    expect(await sdk.metrics()).toEqual([])
    await service.start()
    expect(Object.keys(await numbersOf(sdk, 'posthorn.service.ready'))).toHaveLength(1)
  })

  test('a start that fails leaves nothing behind', async () => {
    const broker = createMemoryBroker()
    broker.down()
    make({ transport: createMemory({ broker }) })
    const started = service.start({ ifUnavailable: 'wait' })
    started.catch(() => {})
    await says('posthorn.transport.state', { connecting: 1 })
    await service.stop()
    await expect(started).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
    expect(await raisedOf(sdk, 'posthorn.transport.state')).toEqual({})
    broker.close()
  })
})
