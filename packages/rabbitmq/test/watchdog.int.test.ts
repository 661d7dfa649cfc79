import type { Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import {
  after,
  brokerUrl,
  deleteQueue,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  withChannel,
} from './broker.js'
import { amqpProxy } from './support/amqpProxy.js'
import type { AmqpProxy } from './support/amqpProxy.js'
import { sharedBroker } from './support/testBroker.js'

const watchdogIntervalMs = 200
const { destination, connected, closing } = sharedBroker({ options: { watchdogIntervalMs } })
let proxy: AmqpProxy | undefined

async function connectedByProxy(): Promise<Transport> {
  proxy = closing(await amqpProxy(brokerUrl()))
  return connected([], { urls: [proxy.url] })
}

const count = (transport: Transport, name: string): number => transport.health().counts?.[name] ?? 0
/** Long enough for a watchdog to act, were there a reason. */
const severalLooks = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, watchdogIntervalMs * 6))

describe('a consumer of RabbitMQ that gets nothing', () => {
  it('is made again when the broker has lost it without a word', async () => {
    const orders = destination()
    const publisher = await connected([orders])
    const transport = await connectedByProxy()
    const inbox = await openInbox(transport, subscriptionTo(orders))
    proxy?.drop(({ method }) => method === 'basic.cancel')
    await deleteQueue(`${orders}.billing`)
    // Another process declares it again, and leaves.
    const other = await connected([])
    await (await openInbox(other, subscriptionTo(orders))).running.stop(after(5_000))
    await eventually(
      async () => (await withChannel((channel) => channel.checkQueue(`${orders}.billing`))).consumerCount === 0,
    )
    await sendTo(publisher, { destination: orders }, message({ id: 'm-1' }))
    expect((await inbox.next()).id).toBe('m-1')
    await eventually(() => count(transport, 'resubscribed') === 1)
    expect([count(transport, 'cancelled'), count(transport, 'stalled')]).toEqual([0, 1])
  })

  it('is made again when its deliveries are lost on their way', async () => {
    const orders = destination()
    const publisher = await connected([orders])
    const transport = await connectedByProxy()
    const inbox = await openInbox(transport, subscriptionTo(orders, { maxInFlight: 1 }))
    let lostChannel = 0
    proxy?.drop(({ method, channel }) => {
      if (method === 'basic.deliver' && lostChannel === 0) lostChannel = channel
      return method === 'basic.deliver' && channel === lostChannel && count(transport, 'stalled') === 0
    })
    await sendTo(publisher, { destination: orders }, message({ id: 'm-1' }))
    await sendTo(publisher, { destination: orders }, message({ id: 'm-2' }))
    const again = await inbox.next()
    expect([again.id, again.brokerRedeliveries]).toEqual(['m-1', 1])
    again.complete()
    expect((await inbox.next()).id).toBe('m-2')
    expect(count(transport, 'stalled')).toBe(1)
  })

  it('is left alone when it holds all that it may', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders, { maxInFlight: 1 }))
    await sendTo(transport, { destination: orders })
    await sendTo(transport, { destination: orders })
    const held = await inbox.next()
    await severalLooks()
    expect(count(transport, 'stalled')).toBe(0)
    held.complete() // Still of a living channel: the next one comes.
    await inbox.next()
    expect(count(transport, 'staleSettlements')).toBe(0)
  })

  it('is left alone when another process is the active one of an ordered group', async () => {
    const orders = destination()
    const ordered = subscriptionTo(orders, { ordered: true, maxInFlight: 1 })
    const first = await connected([orders])
    const second = await connected([])
    await openInbox(first, ordered)
    const standby = await openInbox(second, ordered)
    await sendTo(first, { destination: orders })
    await sendTo(first, { destination: orders })
    await severalLooks()
    expect([count(first, 'stalled'), count(second, 'stalled'), standby.all.length]).toEqual([0, 0, 0])
  })

  it('is made again when it is the active one of an ordered group and its deliveries are lost', async () => {
    const orders = destination()
    const publisher = await connected([orders])
    const transport = await connectedByProxy()
    const inbox = await openInbox(transport, subscriptionTo(orders, { ordered: true, maxInFlight: 2 }))
    await sendTo(publisher, { destination: orders })
    ;(await inbox.next()).complete()
    proxy?.drop(({ method }) => method === 'basic.deliver' && count(transport, 'stalled') === 0)
    for (const id of ['m-1', 'm-2', 'm-3']) await sendTo(publisher, { destination: orders }, message({ id }))
    const ids: (string | undefined)[] = []
    for (let got = 0; got < 3; got += 1) {
      const delivery = await inbox.next()
      ids.push(delivery.id)
      delivery.complete()
    }
    expect(ids).toEqual(['m-1', 'm-2', 'm-3'])
  })

  it('is left alone when there is nothing to get', async () => {
    const orders = destination()
    const transport = await connected([orders])
    await openInbox(transport, subscriptionTo(orders))
    await severalLooks()
    expect(count(transport, 'stalled')).toBe(0)
  })
})
