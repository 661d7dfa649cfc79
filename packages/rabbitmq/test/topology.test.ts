import type { Subscription } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { declarationProblems } from '../src/declarationProblems.js'
import { formatPlan } from '../src/formatPlan.js'
import { planWarnings } from '../src/planWarnings.js'
import { planTopology } from '../src/topology.js'
import { createTopologyMap } from '../src/topologyMap.js'
import type { TopologyOptions } from '../src/topologyOptions.js'
import { subscriptionTo } from './broker.js'

const own = createTopologyMap({})

const planOf = (subscription: Subscription, options: TopologyOptions = {}): ReturnType<typeof planTopology> =>
  planTopology({ publishes: [], subscriptions: [subscription] }, createTopologyMap(options))

const problemsOf = (options: TopologyOptions, ...subscriptions: Subscription[]): readonly string[] =>
  declarationProblems({ publishes: [], subscriptions }, createTopologyMap(options))

const topicOf = (name: string): object => ({ kind: 'exchange', name, type: 'topic', owner: 'ours', arguments: {} })
const queueOf = (name: string, given: object): object => ({
  kind: 'queue',
  name,
  durable: true,
  arguments: given,
  owner: 'ours',
})
const bindingOf = (routingKey: string): object => ({
  kind: 'binding',
  queue: 'orders.billing',
  exchange: 'orders',
  routingKey,
  arguments: {},
  owner: 'ours',
})

describe('the topology plan', () => {
  it('of a publisher has exchanges and nothing else', () => {
    expect(planTopology({ publishes: ['orders', 'users'], subscriptions: [] }, own)).toEqual([
      topicOf('orders'),
      topicOf('users'),
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
      queueOf('orders.billing.dead', { ...quorum, 'x-delivery-limit': 1_000_000_000 }),
      queueOf('orders.billing', {
        ...quorum,
        ...deadLetters('orders.billing.dead'),
        'x-delivery-limit': 100,
        'x-single-active-consumer': true,
      }),
      ...[5_000, 30_000].map((ms) =>
        queueOf(`orders.billing.retry.${ms}`, { ...quorum, ...deadLetters('orders.billing'), 'x-message-ttl': ms }),
      ),
      topicOf('orders'),
      bindingOf('a.v1'),
      bindingOf('b.v1'),
    ])
  })

  it('binds to everything when the group wants every type, and is not single-active without order', () => {
    const plan = planOf(subscriptionTo('orders'))
    expect(plan).toContainEqual(bindingOf('#'))
    expect(JSON.stringify(plan)).not.toContain('single-active')
  })

  it('of a reader of dead letters is their queue', () => {
    expect(planOf(subscriptionTo('orders', { source: 'dead', rungsMs: [5] }))).toMatchObject([
      { kind: 'queue', name: 'orders.billing.dead' },
    ])
  })

  it('names everything once', () => {
    const one = subscriptionTo('orders')
    const plan = planTopology({ publishes: ['orders', 'orders'], subscriptions: [one, one] }, own)
    expect(plan.filter((item) => item.kind === 'exchange')).toHaveLength(1)
    expect(new Set(plan.map((item) => JSON.stringify(item))).size).toBe(plan.length)
  })
})

describe('a mapped plan', () => {
  const work = subscriptionTo('orders', { types: ['a.v1', 'b.v1'] })
  const bindingsIn = (plan: ReturnType<typeof planTopology>): unknown[] =>
    plan.filter(({ kind }) => kind === 'binding').map((item) => (item as { routingKey: string }).routingKey)

  it('of a destination on the default exchange is its queue, which must exist, and no exchange and no binding', () => {
    const plan = planOf(subscriptionTo('hello', { rungsMs: [500] }), { destinations: { hello: { exchange: '' } } })
    expect(plan.map(({ kind }) => kind)).toEqual(['queue', 'queue', 'queue'])
    expect(plan[1]).toEqual({ kind: 'queue', name: 'hello', durable: true, arguments: {}, owner: 'existing' })
    expect(plan[2]).toMatchObject({
      name: 'hello.billing.retry.500',
      arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'hello' },
    })
  })

  it('binds as the type of the exchange compares keys', () => {
    const to = (mapping: object): unknown[] => bindingsIn(planOf(work, { destinations: { orders: mapping } }))
    expect(to({ type: 'direct' })).toEqual(['a.v1', 'b.v1'])
    expect(to({ type: 'fanout' })).toEqual([''])
    expect(to({ type: 'direct', routingKey: 'all' })).toEqual(['all'])
    expect(to({ routingKey: (type: string) => type.replace(/[.]v[0-9]+$/, '') })).toEqual(['a', 'b'])
  })

  it('takes bindings as they are given, arguments included', () => {
    const bindings = [{ arguments: { 'x-match': 'all', region: 'eu' } }, { routingKey: 'k' }]
    const options = {
      destinations: { orders: { exchange: 'legacy', type: 'headers' } },
      groups: { 'orders.billing': { bindings } },
    }
    const plan = planOf(work, options)
    expect(plan.filter(({ kind }) => kind === 'binding')).toMatchObject([
      { exchange: 'legacy', routingKey: '', arguments: bindings[0]?.arguments },
      { exchange: 'legacy', routingKey: 'k', arguments: {} },
    ])
    expect(plan).toContainEqual(expect.objectContaining({ kind: 'exchange', name: 'legacy', owner: 'existing' }))
  })

  it('leaves a queue that exists alone, its bindings too, and dead-letters beside it', () => {
    const plan = planOf(work, { groups: { 'orders.billing': { queue: 'legacy', deadQueue: 'legacy-dead' } } })
    expect(plan).toMatchObject([
      { kind: 'queue', name: 'legacy-dead', owner: 'ours' },
      { kind: 'queue', name: 'legacy', owner: 'existing' },
    ])
  })

  it('declares a mapped queue with the arguments that are given and no others', () => {
    const given = { 'x-max-priority': 5 }
    const groups = { 'orders.billing': { queue: 'legacy', declare: true, durable: false, arguments: given } }
    expect(planOf(work, { groups })).toContainEqual({
      kind: 'queue',
      name: 'legacy',
      durable: false,
      arguments: given,
      owner: 'ours',
    })
  })

  it('of a temporary group has one queue for each process, and rungs that all of them share', () => {
    const options = { groups: { 'orders.billing': { temporary: true, expiresMs: 60_000 } } }
    const one = createTopologyMap(options)
    const other = createTopologyMap(options)
    const group = { destination: 'orders', group: 'billing' }
    expect(one.queuesOf(group).work).not.toBe(other.queuesOf(group).work)
    expect(one.queuesOf(group).work).toBe(one.queuesOf(group).work)
    const declaration = { publishes: [], subscriptions: [subscriptionTo('orders', { rungsMs: [500] })] }
    expect(planTopology(declaration, one)).toMatchObject([
      { kind: 'queue', name: 'orders.billing.dead', owner: 'ours' },
      { kind: 'queue', owner: 'process', arguments: { 'x-expires': 60_000 } },
      { kind: 'exchange', name: 'orders.billing.temporary.retry.500', type: 'fanout' },
      { kind: 'queue', name: 'orders.billing.temporary.retry.500', owner: 'ours' },
      { kind: 'binding', queue: 'orders.billing.temporary.retry.500' },
      { kind: 'exchange', name: 'orders' },
      { kind: 'binding', exchange: 'orders', owner: 'process' },
    ])
    expect(one.addressOf({ retry: { ...group, delayMs: 500 } }, 't')).toMatchObject({
      exchange: 'orders.billing.temporary.retry.500',
      routingKey: one.queuesOf(group).work,
    })
  })

  it('has a queue for unrouted events of what is published, when they are kept', () => {
    const map = createTopologyMap({}, { maxCount: 7, maxAgeMs: 60_000 })
    expect(planTopology({ publishes: ['orders'], subscriptions: [] }, map)[1]).toMatchObject({
      name: 'orders.unrouted',
      arguments: { 'x-max-length': 7, 'x-overflow': 'reject-publish', 'x-message-ttl': 60_000 },
    })
  })
})

describe('a printed plan', () => {
  it('is the same text for the same plan, with arguments in the order of the alphabet', () => {
    const items = planOf(subscriptionTo('orders', { types: ['a.v1'], rungsMs: [500] }))
    expect(formatPlan({ items, warnings: [] })).toBe(`queue     orders.billing.dead (quorum, durable)
            x-delivery-limit: 1000000000
            x-overflow: "reject-publish"
queue     orders.billing (quorum, durable)
            x-dead-letter-exchange: ""
            x-dead-letter-routing-key: "orders.billing.dead"
            x-dead-letter-strategy: "at-least-once"
            x-delivery-limit: 100
            x-overflow: "reject-publish"
queue     orders.billing.retry.500 (quorum, durable)
            x-dead-letter-exchange: ""
            x-dead-letter-routing-key: "orders.billing"
            x-dead-letter-strategy: "at-least-once"
            x-message-ttl: 500
            x-overflow: "reject-publish"
exchange  orders (topic, durable)
binding   orders -> orders.billing (key a.v1)`)
  })

  it('marks what must exist already, and ends with the warnings', () => {
    const map = createTopologyMap({
      destinations: { orders: { exchange: 'legacy', type: 'direct' }, odrers: {} },
      groups: { 'orders.billing': { queue: 'old' }, 'orders.biling': { priority: 1 } },
    })
    const declaration = { publishes: ['orders'], subscriptions: [subscriptionTo('orders', { ordered: true })] }
    const warnings = planWarnings(declaration, map)
    const text = formatPlan({ items: planTopology(declaration, map), warnings })
    expect(text).toContain('exchange  legacy (direct, durable, must exist)')
    expect(text).toContain('queue     old (must exist)')
    expect(warnings).toHaveLength(4)
    for (const word of ['cannot be seen', 'single-active', 'odrers', 'biling']) {
      expect(warnings.filter((warning) => warning.includes(word))).toHaveLength(1)
      expect(text).toContain(word)
    }
  })

  it('warns of what arguments of an own queue give up', () => {
    const classic = { declare: true, queue: 'q', durable: false, arguments: { 'x-message-ttl': 5 } }
    const map = createTopologyMap({ groups: { 'orders.billing': classic } })
    const warnings = planWarnings({ publishes: [], subscriptions: [subscriptionTo('orders')] }, map)
    expect(warnings).toHaveLength(4)
  })

  it('has nothing to warn of where all is ours', () => {
    expect(planWarnings({ publishes: ['orders'], subscriptions: [subscriptionTo('orders')] }, own)).toEqual([])
  })
})

describe('check', () => {
  it('finds nothing in what RabbitMQ can honour', () => {
    const subscriptions = [subscriptionTo('orders', { rungsMs: [1, 4_294_967_295], ordered: true })]
    expect(declarationProblems({ publishes: ['orders'], subscriptions }, own)).toEqual([])
  })

  it('lists delays above the TTL limit, names of RabbitMQ and names that are too long', () => {
    const subscriptions = [
      subscriptionTo('orders', { rungsMs: [4_294_967_296] }),
      subscriptionTo('d'.repeat(200), { group: 'g'.repeat(60), rungsMs: [1_000], types: ['ä'.repeat(128)] }),
    ]
    const problems = declarationProblems({ publishes: ['amq.topic'], subscriptions }, own)
    for (const part of ['4294967296 ms', 'amq.topic', '.retry.1000', 'type "ä']) {
      expect(problems.filter((problem) => problem.includes(part))).toHaveLength(1)
    }
  })

  it.each<[string, TopologyOptions, Subscription[]]>([
    [
      'a headers exchange without bindings',
      { destinations: { orders: { type: 'headers' } } },
      [subscriptionTo('orders', { types: ['a'] })],
    ],
    ['every type of a direct exchange', { destinations: { orders: { type: 'direct' } } }, [subscriptionTo('orders')]],
    [
      'another queue than the one that the default exchange routes to',
      { destinations: { hello: { exchange: '' } }, groups: { 'hello.billing': { queue: 'other' } } },
      [subscriptionTo('hello')],
    ],
    [
      'bindings on the default exchange',
      { destinations: { hello: { exchange: '' } }, groups: { 'hello.billing': { bindings: [{}] } } },
      [subscriptionTo('hello')],
    ],
    [
      'two groups on one queue of the default exchange',
      { destinations: { hello: { exchange: '' } } },
      [subscriptionTo('hello'), subscriptionTo('hello', { group: 'shipping' })],
    ],
    [
      'a key function on the default exchange without a queue',
      { destinations: { hello: { exchange: '', routingKey: (type) => type } } },
      [subscriptionTo('hello')],
    ],
    [
      'a temporary queue on the default exchange',
      { destinations: { hello: { exchange: '' } }, groups: { 'hello.billing': { temporary: true } } },
      [subscriptionTo('hello')],
    ],
    [
      'an exchange that two destinations mean differently',
      { destinations: { orders: { exchange: 'shop', declare: true, type: 'direct' } } },
      [subscriptionTo('orders', { types: ['a'] }), subscriptionTo('shop')],
    ],
    [
      'order on own arguments without a single active consumer',
      { groups: { 'orders.billing': { declare: true, queue: 'q', arguments: {} } } },
      [subscriptionTo('orders', { ordered: true })],
    ],
    [
      'a key function that throws',
      {
        destinations: {
          orders: {
            routingKey: () => {
              throw new Error('no')
            },
          },
        },
      },
      [subscriptionTo('orders', { types: ['a'] })],
    ],
  ])('refuses %s', (_what, options, subscriptions) => {
    expect(problemsOf(options, ...subscriptions)).toHaveLength(1)
  })

  it('refuses a group whose queue were the one of unrouted events', () => {
    const declaration = { publishes: [], subscriptions: [subscriptionTo('orders', { group: 'unrouted' })] }
    expect(declarationProblems(declaration, createTopologyMap({}))).toEqual([])
    const keeping = createTopologyMap({}, { maxCount: 1, maxAgeMs: undefined })
    expect(declarationProblems(declaration, keeping)).toHaveLength(1)
  })
})
