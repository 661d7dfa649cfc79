import { expect, test } from 'vitest'
import { createMemory } from '@posthorn/memory'
import type { Transport } from '@posthorn/core'
import type { Subscription, Target } from '@posthorn/core/adapter'
import { withPrefix } from '../../src/broker/withPrefix.js'

const subscription: Subscription = {
  destination: 'orders',
  group: 'g',
  source: 'work',
  types: 'all',
  rungsMs: [],
  ordered: false,
  maxInFlight: 1,
  maxInFlightBytes: 1,
}

/** A transport that writes down the destinations that it is given. */
function recording(): { transport: Transport; seen: unknown[] } {
  const seen: unknown[] = []
  const transport: Transport = {
    ...createMemory(),
    check: ({ publishes, subscriptions }) => {
      seen.push(...publishes, ...subscriptions.map(({ destination }) => destination))
      return []
    },
    connect: async (_context, publishes) => void seen.push(...publishes),
    send: async (target) => {
      seen.push(target)
      return { routed: true }
    },
    subscribe: async ({ destination }) => {
      seen.push(destination)
      return { stop: async () => {} }
    },
  }
  return { transport, seen }
}

test('every destination that reaches the broker has the prefix', async () => {
  const { transport, seen } = recording()
  const prefixed = withPrefix(transport, 'demo.')
  const message = { body: null, contentType: '', id: 'i', type: 't', headers: {} }
  const options = { deadline: 0 }
  const where = { destination: 'orders', group: 'g' }
  const targets: Target[] = [
    { destination: 'orders' },
    { retry: { ...where, delayMs: 5 } },
    { dead: where },
    { group: where },
  ]
  prefixed.check({ publishes: ['orders'], subscriptions: [subscription] })
  await prefixed.connect({} as never, ['orders'], options)
  await prefixed.subscribe(subscription, () => {}, options)
  for (const target of targets) await prefixed.send(target, message, options)
  const there = { destination: 'demo.orders', group: 'g' }
  const sent = [{ destination: 'demo.orders' }, { retry: { ...there, delayMs: 5 } }, { dead: there }, { group: there }]
  expect(seen).toEqual([...Array.from({ length: 4 }, () => 'demo.orders'), ...sent])
})
