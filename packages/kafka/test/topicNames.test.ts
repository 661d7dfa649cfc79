import { describe, expect, it } from 'vitest'
import { createKafka } from '../src/index.js'
import { rungDelayMs } from '../src/topicNames.js'
import { createTopologyMap } from '../src/topologyMap.js'
import { subscriptionTo } from './support/broker.js'

const map = createTopologyMap(
  {},
  { partitions: 6, replicationFactor: -1, maxBodyBytes: 1_000_000, maxBatchBytes: 1_048_576 },
)
const group = { destination: 'orders', group: 'billing' }

describe('topics', () => {
  it('are named after what they are for', () => {
    expect(map.topicOf({ destination: 'orders' })).toBe('orders')
    expect(map.topicOf({ retry: { ...group, delayMs: 5_000 } })).toBe('orders.billing.retry.5000')
    expect(map.topicOf({ dead: group })).toBe('orders.billing.dead')
    expect(map.topicOf({ group })).toBe('orders.billing.retry.0')
    for (const target of [{ dead: group }, { group }, { retry: { ...group, delayMs: 1 } }, { destination: 'orders' }]) {
      expect(map.planned(target).like).toBe('orders')
    }
  })

  it('of a group have a rung for replays, once', () => {
    const planned = map.plannedFor(subscriptionTo('orders', { rungsMs: [1_000, 0, 1_000] }))
    expect(planned.map(({ topic }) => topic)).toEqual([
      'orders',
      'orders.billing.retry.0',
      'orders.billing.retry.1000',
      'orders.billing.dead',
    ])
  })

  it('tell whose rung they are, and how long', () => {
    const subscription = subscriptionTo('orders')
    expect(rungDelayMs('orders.billing.retry.60000', subscription)).toBe(60_000)
    expect(rungDelayMs('orders.billing.retry.0', subscription)).toBe(0)
    for (const topic of ['orders', 'orders.billing.dead', 'orders.billing.retry.', 'orders.billing.retry.01']) {
      expect(rungDelayMs(topic, subscription)).toBeUndefined()
    }
    for (const topic of ['orders.billing2.retry.5', 'x.orders.billing.retry.5', 'orders.billing.retry.5.dead']) {
      expect(rungDelayMs(topic, subscription)).toBeUndefined()
    }
  })

  it('that Kafka would refuse are found before any I/O', () => {
    const kafka = createKafka({ brokers: ['kafka:9092'] })
    expect(kafka.check({ publishes: ['orders'], subscriptions: [subscriptionTo('orders')] })).toEqual([])
    expect(kafka.check({ publishes: ['shop.orders', 'shop_orders'], subscriptions: [] })).toHaveLength(1)
    const long = subscriptionTo('o'.repeat(180), { group: 'g'.repeat(64) })
    expect(kafka.check({ publishes: [], subscriptions: [long] }).length).toBeGreaterThan(0)
  })
})
