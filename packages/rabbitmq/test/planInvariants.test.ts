import type { Subscription } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { planTopology } from '../src/topology.js'
import type { TopologyItem } from '../src/topology.js'
import { createTopologyMap } from '../src/topologyMap.js'
import { subscriptionTo } from './broker.js'

const map = createTopologyMap({})

type Queue = Extract<TopologyItem, { kind: 'queue' }>

const ladders = [[], [200], [200, 300, 60_000], [1, 4_294_967_295]]

const subscriptions: readonly Subscription[] = ladders.flatMap((rungsMs) =>
  [true, false].flatMap((ordered) =>
    (['work', 'dead'] as const).map((source) =>
      subscriptionTo('orders', { rungsMs, ordered, source, types: ['a.v1'] }),
    ),
  ),
)

const queuesOf = (subscription: Subscription): readonly Queue[] =>
  planTopology({ publishes: ['orders'], subscriptions: [subscription] }, map).filter((item) => item.kind === 'queue')

describe('whatever is declared, the topology plan', () => {
  it('has quorum queues alone, none of which drops what it confirmed', () => {
    for (const queue of subscriptions.flatMap(queuesOf)) {
      expect(queue.arguments, queue.name).toMatchObject({ 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish' })
    }
  })

  it('leads every message that leaves a queue by itself into one that was planned before, confirmed by the broker', () => {
    for (const queues of subscriptions.map(queuesOf)) {
      for (const [index, queue] of queues.entries()) {
        const target = queue.arguments['x-dead-letter-routing-key']
        if (target === undefined) continue
        expect(queues.slice(0, index).map(({ name }) => name)).toContain(target)
        expect(queue.arguments).toMatchObject({
          'x-dead-letter-exchange': '',
          'x-dead-letter-strategy': 'at-least-once',
        })
      }
    }
  })

  it('gives a time to live to rungs alone, so that no message goes in a circle that the broker would break', () => {
    for (const queue of subscriptions.flatMap(queuesOf)) {
      const isRung = /^orders\.billing\.retry\.\d+$/.test(queue.name)
      expect(queue.arguments['x-message-ttl'] !== undefined, queue.name).toBe(isRung)
      expect(Object.keys(queue.arguments), queue.name).not.toContain('x-expires')
    }
  })

  it('has one limit of deliveries for work queues, whatever their ladder, and a dead-letter queue behind it', () => {
    const works = subscriptions.flatMap(queuesOf).filter(({ name }) => name === 'orders.billing')
    expect(works.length).toBeGreaterThan(0)
    for (const work of works) {
      expect(work.arguments).toMatchObject({
        'x-delivery-limit': 100,
        'x-dead-letter-routing-key': 'orders.billing.dead',
      })
    }
  })

  it('needs no plugin: what is not a queue or a binding is a plain exchange', () => {
    const others = subscriptions
      .flatMap((one) => planTopology({ publishes: ['orders'], subscriptions: [one] }, map))
      .filter(({ kind }) => kind !== 'queue' && kind !== 'binding')
    for (const item of others) expect(item).toMatchObject({ kind: 'exchange', name: 'orders', type: 'topic' })
    expect(JSON.stringify(subscriptions.map(queuesOf))).not.toContain('delay')
  })
})
