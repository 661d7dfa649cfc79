import { metrics } from '@opentelemetry/api'
import type { Meter, MeterProvider, Observable } from '@opentelemetry/api'
import { createService, silentLogger } from '@posthorn/core'
import type { Metrics, Reading } from '@posthorn/core/adapter'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { numbersOf, raisedOf } from './numbers.js'
import { orderContract } from './oneOrder.js'
import { createSdk } from './sdk.js'
import type { Sdk } from './sdk.js'

const facts = { unit: '{one}', description: 'For the test.', attributes: ['kind'] }
const orderPlaced = orderContract('orders')
const order = { orderId: 'o-1', note: 'n' }
const reading =
  (value: number, kind = 'a') =>
  (): Reading[] => [{ value, attributes: { kind } }]

let sdk: Sdk
let port: Metrics
beforeEach(() => {
  sdk = createSdk()
  port = createOpenTelemetry(sdk.providers).metrics
})
afterEach(() => sdk.close())

describe('readings that cannot be told apart', () => {
  test.each([
    ['sum', 7],
    ['max', 5],
    ['min', 2],
  ] as const)('come to their %s', async (combine, expected) => {
    for (const value of [5, 2]) port.observableGauge({ ...facts, name: 'posthorn.test', combine }, reading(value))
    expect(await numbersOf(sdk, 'posthorn.test')).toEqual({ a: expected })
  })

  test('are those of two services of one source: numbers are added up, others stay apart by their label', async () => {
    const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
    const services = ['/shop', '/shop', '/mail'].map((source) =>
      createService({ source, logger: silentLogger, transport: createMemory(), telemetry }),
    )
    for (const service of services) await service.start()
    for (const service of services) await service.publish(orderPlaced, order)
    const bySource = async (): Promise<unknown> =>
      (await sdk.points('posthorn.publisher.published')).map(({ attributes, value }) => [
        attributes['posthorn.service'],
        value,
      ])
    expect(await bySource()).toEqual([
      ['/shop', 2],
      ['/mail', 1],
    ])
    await services[0]!.stop()
    await services[1]!.publish(orderPlaced, order)
    expect(await bySource()).toEqual([
      ['/shop', 3],
      ['/mail', 1],
    ])
    for (const service of services) await service.stop()
  })
})

describe('what has ended', () => {
  test('is counted on, also by those that come later, and a gauge of it says 0', async () => {
    const counter = { ...facts, name: 'posthorn.test.counter' }
    const gauge = { ...facts, name: 'posthorn.test.gauge' }
    const ends = [port.observableCounter(counter, reading(3)), port.observableGauge(gauge, reading(3))]
    await sdk.metrics()
    for (const end of [...ends, ...ends]) end()
    port.observableCounter(counter, reading(2))
    port.observableGauge(gauge, reading(2, 'b'))
    expect(await numbersOf(sdk, 'posthorn.test.counter')).toEqual({ a: 5 })
    expect(await numbersOf(sdk, 'posthorn.test.gauge')).toEqual({ a: 0, b: 2 })
  })

  test('is told even when nobody collected before: short jobs count, too', async () => {
    const telemetry = createOpenTelemetry({ ...sdk.providers, spans: [] })
    const service = createService({ source: '/job', logger: silentLogger, transport: createMemory(), telemetry })
    await service.start()
    await service.publish(orderPlaced, order)
    await service.stop()
    expect(await numbersOf(sdk, 'posthorn.publisher.published')).toEqual({ '': 1 })
  })

  test('is asked no more, and leaves no callback behind, however many services come and go', async () => {
    let callbacks = 0
    const watched = createSdk()
    const telemetry = createOpenTelemetry({
      meterProvider: countingCallbacks(watched.providers.meterProvider, (count) => (callbacks += count)),
    })
    const run = async (): Promise<void> => {
      const service = createService({ source: '/shop', logger: silentLogger, transport: createMemory(), telemetry })
      await service.start()
      await service.stop()
    }
    await run()
    const after = callbacks
    expect(after).toBeGreaterThan(20)
    for (let count = 0; count < 20; count += 1) await run()
    expect(callbacks).toBe(after)
    await watched.close()
  })
})

test('one that throws takes nobody with it', async () => {
  const gauge = { ...facts, name: 'posthorn.test' }
  port.observableGauge(gauge, () => {
    throw new Error('broken')
  })
  port.observableGauge(gauge, reading(4))
  expect(await raisedOf(sdk, 'posthorn.test')).toEqual({ a: 4 })
})

test('an SDK that is registered later sees what is observed from then on', async () => {
  const late = createOpenTelemetry()
  late.metrics.observableGauge({ ...facts, name: 'posthorn.test' }, reading(4))
  metrics.setGlobalMeterProvider(sdk.providers.meterProvider)
  try {
    expect(late.isActive).toBe(true)
    expect(await numbersOf(sdk, 'posthorn.test')).toEqual({ a: 4 })
  } finally {
    metrics.disable()
  }
})

/** The same provider, which tells of every callback that comes and goes. */
function countingCallbacks(provider: MeterProvider, onCount: (count: 1 | -1) => void): MeterProvider {
  const counting = <Kind extends Observable>(observable: Kind): Kind => {
    const add = observable.addCallback.bind(observable)
    const remove = observable.removeCallback.bind(observable)
    observable.addCallback = (callback): void => {
      onCount(1)
      add(callback)
    }
    observable.removeCallback = (callback): void => {
      onCount(-1)
      remove(callback)
    }
    return observable
  }
  return {
    getMeter(name) {
      const meter: Meter = provider.getMeter(name)
      const gauge = meter.createObservableGauge.bind(meter)
      const counter = meter.createObservableCounter.bind(meter)
      meter.createObservableGauge = (...args) => counting(gauge(...args))
      meter.createObservableCounter = (...args) => counting(counter(...args))
      return meter
    },
  }
}
