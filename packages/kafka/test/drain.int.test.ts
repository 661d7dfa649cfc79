import type { Delivery } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { collect, send, subscriptionTo, uniqueName, wireMessage } from './support/broker.js'
import { sharedKafka } from './support/testKafka.js'

const bench = sharedKafka()

describe('a rebalance, with a driver that drains', () => {
  it('moves no partition before what is in flight is done, so that nobody handles it twice', async () => {
    const orders = uniqueName('orders')
    const options = { driver: 'platformatic', rebalanceDrainMs: 20_000, heartbeatIntervalMs: 500 } as const
    const one = await bench.connect(options, [orders])
    const held: Delivery[] = []
    const first = await collect(one, {
      subscription: subscriptionTo(orders),
      onDelivery: (delivery) => void held.push(delivery),
    })
    const ids = Array.from({ length: 40 }, (_, index) => `m-${index}`)
    await Promise.all(ids.map((id) => send(one, orders, wireMessage({ id, partitionKey: id }))))
    await first.until(() => held.length === 40)
    const two = await bench.connect(options, [orders])
    let hasJoined = false
    const joining = collect(two, { subscription: subscriptionTo(orders) }).then((joined) => {
      hasJoined = true
      return joined
    })
    // Long enough for everybody to have noticed, and for a driver that does not wait to have joined again.
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(hasJoined).toBe(false)
    for (const delivery of held) delivery.complete()
    const second = await joining
    await Promise.all(ids.map((id) => send(one, orders, wireMessage({ id: `${id}-after`, partitionKey: id }))))
    await second.until(({ texts }) => texts.length > 0)
    await first.until(({ texts }) => texts.length + second.texts.length === 80)
    expect(second.texts.filter((text) => !text.endsWith('-after'))).toEqual([])
  })
})
