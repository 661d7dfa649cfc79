import type { Subscription } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { declarationProblems } from '../src/declarationProblems.js'
import { planTopology } from '../src/topology.js'
import { subscriptionTo } from './broker.js'

const planOf = (subscription: Subscription): ReturnType<typeof planTopology> =>
  planTopology({ publishes: [], subscriptions: [subscription] })

describe('the topology plan', () => {
  it('of a publisher has exchanges and nothing else', () => {
    expect(planTopology({ publishes: ['orders', 'users'], subscriptions: [] })).toEqual([
      { kind: 'exchange', name: 'orders' },
      { kind: 'exchange', name: 'users' },
    ])
  })

  it('of a group is exactly what the design says, dead-letter targets first', () => {
    const plan = planOf(subscriptionTo('orders', { types: ['a.v1', 'b.v1'], rungsMs: [5_000, 30_000], ordered: true }))
    const quorum = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish' }
    const deadLetters = (to: string): object => ({
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': to,
      'x-dead-letter-strategy': 'at-least-once',
    })
    expect(plan).toEqual([
      { kind: 'queue', name: 'orders.billing.dead', arguments: { ...quorum, 'x-delivery-limit': 1_000_000_000 } },
      {
        kind: 'queue',
        name: 'orders.billing',
        arguments: {
          ...quorum,
          ...deadLetters('orders.billing.dead'),
          'x-delivery-limit': 100,
          'x-single-active-consumer': true,
        },
      },
      ...[5_000, 30_000].map((ms) => ({
        kind: 'queue',
        name: `orders.billing.retry.${ms}`,
        arguments: { ...quorum, ...deadLetters('orders.billing'), 'x-message-ttl': ms },
      })),
      { kind: 'exchange', name: 'orders' },
      { kind: 'binding', queue: 'orders.billing', exchange: 'orders', routingKey: 'a.v1' },
      { kind: 'binding', queue: 'orders.billing', exchange: 'orders', routingKey: 'b.v1' },
    ])
  })

  it('binds to everything when the group wants every type, and is not single-active without order', () => {
    const plan = planOf(subscriptionTo('orders'))
    expect(plan).toContainEqual({ kind: 'binding', queue: 'orders.billing', exchange: 'orders', routingKey: '#' })
    expect(JSON.stringify(plan)).not.toContain('single-active')
  })

  it('of a reader of dead letters is their queue', () => {
    expect(planOf(subscriptionTo('orders', { source: 'dead', rungsMs: [5] }))).toMatchObject([
      { kind: 'queue', name: 'orders.billing.dead' },
    ])
  })

  it('names everything once', () => {
    const one = subscriptionTo('orders')
    const plan = planTopology({ publishes: ['orders', 'orders'], subscriptions: [one, one] })
    expect(plan.filter((item) => item.kind === 'exchange')).toHaveLength(1)
    expect(new Set(plan.map((item) => JSON.stringify(item))).size).toBe(plan.length)
  })
})

describe('check', () => {
  it('finds nothing in what RabbitMQ can honour', () => {
    const subscriptions = [subscriptionTo('orders', { rungsMs: [1, 4_294_967_295], ordered: true })]
    expect(declarationProblems({ publishes: ['orders'], subscriptions })).toEqual([])
  })

  it('lists delays above the TTL limit, names of RabbitMQ and names that are too long', () => {
    const problems = declarationProblems({
      publishes: ['amq.topic'],
      subscriptions: [
        subscriptionTo('orders', { rungsMs: [4_294_967_296] }),
        subscriptionTo('d'.repeat(200), { group: 'g'.repeat(60), rungsMs: [1_000], types: ['ä'.repeat(128)] }),
      ],
    })
    for (const part of ['4294967296 ms', 'amq.topic', '.retry.1000', 'type "ä']) {
      expect(problems.filter((problem) => problem.includes(part))).toHaveLength(1)
    }
  })
})
