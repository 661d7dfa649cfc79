import { createLogCapture } from './support/logCapture.js'
import { afterEach, describe, expect, it } from 'vitest'
import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { Delivery, Transport } from '@posthorn/core/adapter'
import { acquireRabbitMq } from '../../../test/stack/src/index.js'
import type { RabbitMq, RabbitMqVersion } from '../../../test/stack/src/index.js'
import { createRabbitMq } from '../src/index.js'
import {
  after,
  contextOf,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  uniqueDestination,
  within,
} from './broker.js'
import type { Inbox } from './broker.js'

/** Before 4.3 timeouts are looked for once a minute. */
const shortTimeout =
  'application:set_env(rabbit, consumer_timeout, 5000), application:set_env(rabbit, channel_tick_interval, 1000).'
const maxInFlight = 100
const releases: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release()
})

interface Case {
  readonly version: RabbitMqVersion
  readonly which: 'first' | 'later'
  readonly cancelled: number
}

/** How each version takes a delivery back: before 4.3 with the channel, from then on with the consumer that got it. */
const cases: readonly Case[] = [
  { version: '4.3', which: 'later', cancelled: 1 },
  // The caution of the start has a consumer of its own, which is cancelled by now: that costs the channel in 4.3, too.
  { version: '4.3', which: 'first', cancelled: 0 },
  { version: '3.10', which: 'later', cancelled: 0 },
]

describe('a delivery that is held for longer than the broker’s consumer timeout', () => {
  it.each(cases)(
    'on RabbitMQ $version (the $which one) comes again, is explained, and harms nobody else',
    { timeout: 300_000 },
    async ({ version, which, cancelled }) => {
      const broker = await acquireRabbitMq({ version, fresh: true })
      releases.push(broker.release)
      await broker.control?.ctl('eval', shortTimeout)
      const { logger, warnings } = createLogCapture()
      const transport = createRabbitMq({ urls: broker.urls })
      releases.push(() => transport.close(after(5_000)))
      const orders = uniqueDestination()
      await transport.connect(contextOf(logger), [orders], within(20_000))
      const inbox = await openInbox(transport, subscriptionTo(orders, { maxInFlight }), (delivery) => {
        if (delivery.id?.startsWith('other')) delivery.complete()
      })
      if (which === 'later') await endCaution(broker, transport, orders)
      await sendTo(transport, { destination: orders }, message({ id: 'held' }))
      const held = await nextOf('held', inbox)
      const again = await whileBusy(transport, orders, () => nextOf('held', inbox))
      expect([again.id, again.address]).toEqual([held.id, held.address])
      held.complete()
      held.release()
      again.complete()
      await sendTo(transport, { destination: orders }, message({ id: 'next' }))
      ;(await nextOf('next', inbox)).complete()
      await eventually(async () => {
        const queues = await broker.control?.ctl('list_queues', '--quiet', '--no-table-headers', 'name', 'messages')
        return queues?.includes(`${orders}.billing\t0`)
      })
      const { counts, reconnects } = transport.health()
      expect(counts).toMatchObject({ cancelled, resubscribed: 1 })
      expect(counts?.['staleSettlements']).toBeGreaterThanOrEqual(1)
      expect(reconnects).toBe(0)
      const told = warnings.find(({ event }) => event === 'rabbitmq.consumerEnded')?.text
      expect(told).toMatch(/consumer timeout.*handlerTimeoutMs.*consumerTimeoutMs/)
    },
  )
})

/** Until the consumer that began with one message is gone, and only the one for all of them is left. */
async function endCaution(broker: RabbitMq, transport: Transport, orders: string): Promise<void> {
  await sendTo(transport, { destination: orders }, message({ id: 'other' }))
  await eventually(async () => {
    const consumers = await broker.control?.ctl('list_consumers', '--quiet', '--no-table-headers', 'prefetch_count')
    return consumers?.trim() === String(maxInFlight)
  }, 60_000)
}

describe('a consumer that is paused for longer than the broker’s consumer timeout', () => {
  it('has given back what waited, in time: no consumer is taken away, no crash is counted, and all is handled', async () => {
    const broker = await acquireRabbitMq({ version: '4.3', fresh: true })
    releases.push(broker.release)
    await broker.control?.ctl('eval', shortTimeout)
    const transport = createRabbitMq({ urls: broker.urls, consumerTimeoutMs: 4_000 })
    const contract = defineEvent({ type: 'com.example.placed.v1', destination: uniqueDestination(), schema: {} })
    const service = createService({ source: '/test', transport, publishes: [contract], logger: silentLogger })
    releases.push(() => service.stop())
    /** What the broker counted for each. */
    const handled: number[] = []
    let letGo!: () => void
    const gate = new Promise<void>((resolve) => (letGo = resolve))
    const handler = on(contract, async (_, { headers }) => {
      await gate
      handled.push(Number(headers['x-delivery-count'] ?? 0))
    })
    const consumer = service.consume('billing', {
      handlers: [handler],
      concurrency: 1,
      maxInFlight,
      retry: { delaysMs: [] },
    })
    await service.start()
    for (let n = 0; n < 10; n += 1) await service.publish(contract, n)
    await eventually(() => consumer.health().inFlight === 10)
    consumer.pause()
    letGo()
    await eventually(() => consumer.health().inFlight === 0)
    expect(consumer.health()).toMatchObject({ handled: 1, released: 9 })
    // Beside them a delivery that is held, in a queue of its own: when the broker takes it back, the time is up for all.
    const beside = uniqueDestination()
    const inbox = await openInbox(transport, subscriptionTo(beside, { maxInFlight }), (delivery) => {
      if (delivery.id?.startsWith('other')) delivery.complete()
    })
    await sendTo(transport, { destination: beside }, message({ id: 'held' }))
    await nextOf('held', inbox)
    ;(await whileBusy(transport, beside, () => nextOf('held', inbox))).complete()
    expect(handled).toHaveLength(1)
    consumer.resume()
    await eventually(() => consumer.health().handled === 10)
    expect(consumer.health()).toMatchObject({ state: 'running', ready: true, inFlight: 0, deadLettered: 0 })
    expect(handled).toEqual(Array.from({ length: 10 }, () => 0))
    expect(transport.health().counts).toMatchObject({ resubscribed: 1, cautions: 0 })
  }, 300_000)
})

async function nextOf(id: string, inbox: Inbox): Promise<Delivery> {
  for (;;) {
    const next = await inbox.next(60_000)
    if (next.id === id) return next
  }
}

/**
 * Other messages are needed: RabbitMQ 4.3.6 sets its timer for the next consumer timeout only when something happens in
 * the queue, and not in the millisecond in which the last one went off. Of 150 silent queues 30 never took a held
 * delivery back, and did so once a message came.
 */
async function whileBusy<T>(transport: Transport, orders: string, work: () => Promise<T>): Promise<T> {
  const sent: Promise<unknown>[] = []
  const traffic = setInterval(() => {
    sent.push(sendTo(transport, { destination: orders }, message({ id: `other-${sent.length}` })))
  }, 250)
  try {
    return await work()
  } finally {
    clearInterval(traffic)
    await Promise.all(sent)
  }
}
