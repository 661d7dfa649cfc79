import { describe, expect, it } from 'vitest'
import { createTopologyMap } from '../src/topologyMap.js'

const group = { destination: 'orders', group: 'billing' }

describe('the address of a target', () => {
  it.each([
    [{ destination: 'orders' }, { exchange: 'orders', routingKey: 'placed.v1' }],
    [{ retry: { ...group, delayMs: 5_000 } }, { exchange: '', routingKey: 'orders.billing.retry.5000' }],
    [{ dead: group }, { exchange: '', routingKey: 'orders.billing.dead' }],
    [{ group }, { exchange: '', routingKey: 'orders.billing' }],
  ])('%j is %j', (target, address) => {
    expect(createTopologyMap({}).addressOf(target, 'placed.v1')).toEqual({ ...address, target })
  })

  it.each([
    [{ exchange: '' }, { exchange: '', routingKey: 'orders' }],
    [
      { exchange: '', routingKey: 'hello' },
      { exchange: '', routingKey: 'hello' },
    ],
    [{ exchange: 'legacy' }, { exchange: 'legacy', routingKey: 'placed.v1' }],
    [{ routingKey: 'fixed' }, { exchange: 'orders', routingKey: 'fixed' }],
    [
      { exchange: 'legacy', routingKey: (type: string) => `old.${type}` },
      { exchange: 'legacy', routingKey: 'old.placed.v1' },
    ],
  ])('follows the mapping %j', (mapping, address) => {
    const map = createTopologyMap({ destinations: { orders: mapping } })
    expect(map.addressOf({ destination: 'orders' }, 'placed.v1')).toMatchObject(address)
    expect(map.addressOf({ destination: 'users' }, 'a')).toMatchObject({ exchange: 'users', routingKey: 'a' })
  })

  it('of a mapped group is its queue, and its rungs keep our names', () => {
    const map = createTopologyMap({ groups: { 'orders.billing': { queue: 'legacy', deadQueue: 'morgue' } } })
    expect(map.addressOf({ group }, '')).toMatchObject({ exchange: '', routingKey: 'legacy' })
    expect(map.addressOf({ dead: group }, '')).toMatchObject({ routingKey: 'morgue' })
    expect(map.addressOf({ retry: { ...group, delayMs: 5 } }, '')).toMatchObject({
      routingKey: 'orders.billing.retry.5',
    })
  })

  it('cannot be made by a function that gives no string', () => {
    const map = createTopologyMap({ destinations: { orders: { routingKey: () => undefined as unknown as string } } })
    expect(() => map.addressOf({ destination: 'orders' }, 'a')).toThrow(TypeError)
  })
})
