import { destinationProblem } from '@posthorn/contracts'
import { expect, it } from 'vitest'
import { resourceNames, targetName } from '../src/resourceNames.js'
import type { Target } from '../src/ports.js'

it('names what each target addresses', () => {
  const targets: [Target, string][] = [
    [{ destination: 'orders' }, 'orders'],
    [{ group: { destination: 'orders', group: 'billing' } }, 'orders.billing'],
    [{ retry: { destination: 'orders', group: 'billing', delayMs: 5_000 } }, 'orders.billing.retry.5000'],
    [{ dead: { destination: 'orders', group: 'billing' } }, 'orders.billing.dead'],
  ]
  expect(targets.map(([target]) => targetName(target))).toEqual(targets.map(([, name]) => name))
})

it('gives every retry and dead-letter queue a name that no destination may have', () => {
  for (const name of [
    resourceNames.dead('a', 'b'),
    resourceNames.retry('a', 'b', 0),
    resourceNames.retry('a', 'b', 7),
  ]) {
    expect(destinationProblem(name)).toBeDefined()
  }
})

it('stays within what RabbitMQ (255 bytes) and Kafka (249 characters) take', () => {
  const longest = resourceNames.retry('d'.repeat(100), 'g'.repeat(64), 86_400_000)
  expect(longest.length).toBeLessThanOrEqual(249)
})
