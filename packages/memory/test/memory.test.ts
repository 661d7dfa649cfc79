import { silentLogger } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createMemory } from '../src/memory.js'
import { createVirtualClock } from '../src/virtualClock.js'
import { billing, messageOf, orders, subscriptionOf } from './testClient.js'

describe('createMemory', () => {
  it('declares what it can do, and honours everything that a service can declare', () => {
    const transport = createMemory()
    expect(transport.system).toBe('memory')
    expect(transport.capabilities).toMatchObject({
      routed: true,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs: undefined,
      maxBodyBytes: 128 * 1024 * 1024,
    })
    expect(transport.check({ publishes: ['orders'], subscriptions: [subscriptionOf({ ordered: true })] })).toEqual([])
    expect(transport.health()).toMatchObject({
      ready: false,
      live: true,
      state: 'idle',
      addresses: ['memory'],
      reconnects: 0,
    })
  })

  it('lives by the clock of its service when it has a broker of its own', async () => {
    const clock = createVirtualClock()
    const transport = createMemory()
    const within = { deadline: 1_000_000 }
    await transport.connect({ logger: silentLogger, clock }, [], within)
    const ids: (string | undefined)[] = []
    const collect = (items: readonly { id?: string }[]): void => void ids.push(...items.map(({ id }) => id))
    await transport.subscribe(subscriptionOf({ rungsMs: [60_000] }), collect, within)
    await transport.send({ retry: { ...billing, delayMs: 60_000 } }, messageOf('1'), within)
    await clock.advance(59_999)
    expect(ids).toEqual([])
    await clock.advance(1)
    expect(ids).toEqual(['1'])
  })

  it('closes the broker that it made, timers included', async () => {
    const clock = createVirtualClock()
    const transport = createMemory({ clock })
    await transport.connect({ logger: silentLogger, clock }, [], { deadline: 10 })
    await transport.subscribe(subscriptionOf({ rungsMs: [60_000] }), () => undefined, { deadline: 10 })
    await transport.send({ retry: { ...billing, delayMs: 60_000 } }, messageOf('1'), { deadline: 10 })
    await transport.close(0)
    await clock.advance(1_000)
    expect(clock.pending).toBe(0)
  })

  it('keeps two transports apart when each has a broker of its own', async () => {
    const clock = createVirtualClock()
    const [one, other] = [createMemory(), createMemory()]
    const within = { deadline: 1_000_000 }
    for (const transport of [one, other]) await transport.connect({ logger: silentLogger, clock }, [], within)
    await one.subscribe(subscriptionOf(), () => undefined, within)
    expect(await one.send(orders, messageOf('1'), within)).toEqual({ routed: true })
    expect(await other.send(orders, messageOf('1'), within)).toEqual({ routed: false })
  })

  it('can be decorated by spreading', async () => {
    const clock = createVirtualClock()
    const transport = { ...createMemory(), system: 'decorated' }
    const within = { deadline: 1_000_000 }
    await transport.connect({ logger: silentLogger, clock }, [], within)
    expect(await transport.send(orders, messageOf('1'), within)).toEqual({ routed: false })
  })

  it('lets a send that comes before connect wait for it', async () => {
    const clock = createVirtualClock()
    const transport = createMemory({ clock })
    const within = { deadline: 1_000_000 }
    const send = transport.send(orders, messageOf('1'), within)
    await transport.connect({ logger: silentLogger, clock }, [], within)
    expect(await send).toEqual({ routed: false })
  })
})
