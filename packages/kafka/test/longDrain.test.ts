import { silentLogger } from '@posthorn/core/adapter'
import type { Delivery } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createKafkaOn } from '../src/kafka.js'
import { subscriptionTo } from './support/broker.js'
import { createFakeDriver, records } from './support/fakeDriver.js'
import { createManualClock, settled } from './support/manualClock.js'

describe('a consumer that works off what it has for minutes', () => {
  it('is not replaced meanwhile, nor while it waits for the others after that', async () => {
    const driver = createFakeDriver({ orders: 2 })
    const clock = createManualClock()
    const options = { brokers: ['kafka:9092'], driver: 'platformatic', rebalanceDrainMs: 120_000 } as const
    const transport = createKafkaOn(options, driver.createDriver)
    await transport.connect({ logger: silentLogger, clock }, [], { deadline: clock.monotonic() + 1_000 })
    const deliveries: Delivery[] = []
    const take = (items: readonly Delivery[]): void => void deliveries.push(...items)
    const subscribing = transport.subscribe(subscriptionTo('orders'), take, { deadline: clock.monotonic() + 60_000 })
    await settled()
    for (const { events } of driver.consumers) events.assigned([0, 1])
    await subscribing
    await settled()
    const consumer = driver.consumers.find((it) => it.options.topic === 'orders')!
    void consumer.events.fetched({ partition: 0, records: records(0, 1), nextOffset: 1 })
    await settled()
    expect(deliveries).toHaveLength(1)

    consumer.events.rebalancing()
    let isDrained = false
    void consumer.events.drained().then(() => (isDrained = true))
    await clock.advance(115_000)
    expect([isDrained, consumer.isStopped]).toEqual([false, false])
    deliveries[0]!.complete()
    await settled()
    expect([isDrained, consumer.isStopped]).toEqual([true, false])
    // Others may need as long, and then one request longer.
    await clock.advance(consumer.options.rebalanceTimeoutMs)
    expect(consumer.isStopped).toBe(false)
    // But not for ever.
    await clock.advance(120_000)
    expect(consumer.isStopped).toBe(true)
    await transport.close(clock.monotonic() + 1_000)
  })
})
