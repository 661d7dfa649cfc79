import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import type { Delivery } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createKafka } from '../src/kafka.js'
import { collect, context, eventually, inMs, send, subscriptionTo, uniqueName, wireMessage } from './support/broker.js'
import { lostGroup, reasonsOf } from './support/lostGroup.js'
import { ownKafka } from './support/testKafka.js'

const kafka = ownKafka()
const { bench } = kafka

async function portOfNobody(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('a broker that dies', () => {
  it('loses no confirmed message, and the consumer goes on when it is back', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({}, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    const ids = Array.from({ length: 2_000 }, (_, index) => `m-${index}`)
    const confirmed: string[] = []
    const refused: unknown[] = []
    let killed: Promise<void> | undefined
    const publish = async (id: string): Promise<void> => {
      try {
        await transport.send({ destination: orders }, wireMessage({ id, partitionKey: `k${id.length}${id.at(-1)}` }), {
          deadline: inMs(60_000),
        })
        confirmed.push(id)
      } catch (error) {
        refused.push(error)
      }
      if (confirmed.length === 700) killed ??= kafka.control.restart()
    }
    // Twenty at a time, so that the broker dies in the middle.
    const queue = [...ids]
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        for (let id = queue.shift(); id !== undefined; id = queue.shift()) await publish(id)
      }),
    )
    await killed
    expect(killed).toBeDefined()
    expect(refused).toEqual([])
    expect(confirmed).toHaveLength(2_000)
    await got.until(({ texts }) => new Set(texts).size === 2_000, 60_000)
    // Its retry topic may take a little longer than the destination.
    await eventually(
      async () => transport.health(),
      ({ state, reconnects }) => state === 'ready' && reconnects > 0,
    )
  })

  it('lets no group go on that stands still since its offset was lost', async () => {
    const groups = [await lostGroup(bench, 'kafkajs'), await lostGroup(bench, 'platformatic')]
    const before = groups.map(({ got }) => got.deliveries.length)
    await kafka.control.restart()
    for (const { orders, transport } of groups) await send(transport, orders, wireMessage({ id: 'after' }))
    const admin = await bench.admin()
    await eventually(
      () => admin.describeGroups(groups.map(({ orders }) => `${orders}.billing`)),
      (told) => told.groups.every(({ state }) => state === 'Stable'),
    )
    // Time for many fetches, had they gone on.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    expect(groups.map(({ got }) => got.deliveries.length)).toEqual(before)
    for (const [index, { orders, transport }] of groups.entries()) {
      expect(reasonsOf(transport)).toContain(`${orders}[0] has offsets `)
      const [topic] = await admin.fetchOffsets({ groupId: `${orders}.billing`, topics: [orders] })
      expect(topic!.partitions.map(({ offset }) => Number(offset))).toEqual([before[index]])
    }
  })

  it('and stays away keeps no caller beyond its deadline, and says what is known', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({}, [orders])
    await send(transport, orders, wireMessage({ id: 'm-0' }))
    await kafka.control.kill()
    try {
      const before = inMs(0)
      const attempt = transport.send({ destination: orders }, wireMessage({ id: 'm-1' }), { deadline: inMs(1_500) })
      await expect(attempt).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE' })
      expect(inMs(0) - before).toBeLessThan(10_000)
      // By now there is no connection at all, so nothing can have been written.
      const second = transport.send({ destination: orders }, wireMessage({ id: 'm-2' }), { deadline: inMs(500) })
      await expect(second).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
      expect(transport.health()).toMatchObject({ state: 'connecting' })
      const late = createKafka({ brokers: kafka.brokers })
      const unreachable = late.connect(context, [orders], { deadline: inMs(500) })
      await expect(unreachable).rejects.toMatchObject({ code: 'POSTHORN_UNREACHABLE' })
      await kafka.control.start()
      await late.connect(context, [orders], { deadline: inMs(20_000) })
      await send(late, orders, wireMessage({ id: 'm-3' }))
      await late.close(inMs(5_000))
    } finally {
      await kafka.control.start()
    }
    await send(transport, orders, wireMessage({ id: 'm-4' }))
  })

  it('or stops answering keeps neither a publish nor a close beyond its deadline', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({}, [orders])
    const got = await collect(transport, { subscription: subscriptionTo(orders) })
    await send(transport, orders, wireMessage({ id: 'm-0' }))
    await got.until(({ texts }) => texts.length === 1)
    await kafka.control.pause()
    try {
      const attempt = transport.send({ destination: orders }, wireMessage({ id: 'm-1' }), { deadline: inMs(1_000) })
      await expect(attempt).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'unknown' })
      const before = inMs(0)
      await transport.close(inMs(1_000))
      expect(inMs(0) - before).toBeLessThan(10_000)
    } finally {
      await kafka.control.resume()
    }
  })
})

describe('members that come and go', () => {
  it('lose nothing of what is published meanwhile, and keep what they are working on', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({}, [orders])
    const handled = new Map<string, number>()
    const finish = (delivery: Delivery): void => {
      // The work takes a while, so that some of it is under way at each rebalance.
      setTimeout(() => {
        const id = Buffer.from(delivery.body!).toString()
        handled.set(id, (handled.get(id) ?? 0) + 1)
        delivery.complete()
      }, 20)
    }
    const subscription = subscriptionTo(orders, { maxInFlight: 50 })
    const first = await bench.connect({ heartbeatIntervalMs: 500 })
    await collect(first, { subscription, onDelivery: finish })
    let published = 0
    let stopped = false
    const publishing = (async () => {
      while (!stopped) {
        const id = `m-${published}`
        await send(publisher, orders, wireMessage({ id, partitionKey: `k${published % 30}` }))
        published += 1
      }
    })()
    for (let round = 0; round < 3; round += 1) {
      const other = await bench.connect({ heartbeatIntervalMs: 500 })
      const got = await collect(other, { subscription, onDelivery: finish })
      await got.until(({ texts }) => texts.length >= 100)
      await other.close(inMs(10_000))
    }
    stopped = true
    await publishing
    await eventually(
      async () => handled.size,
      (count) => count === published,
    )
    expect(published).toBeGreaterThan(300)
  })
})

describe('a cluster that is not there', () => {
  it('is reported at the deadline, with its address', async () => {
    const port = await portOfNobody()
    const transport = createKafka({ brokers: [`127.0.0.1:${port}`] })
    const before = inMs(0)
    const attempt = transport.connect(context, [], { deadline: inMs(700) })
    await expect(attempt).rejects.toMatchObject({
      code: 'POSTHORN_UNREACHABLE',
      details: { addresses: [`127.0.0.1:${port}`] },
    })
    expect(inMs(0) - before).toBeLessThan(10_000)
    expect(transport.health()).toMatchObject({ state: 'connecting', addresses: [`127.0.0.1:${port}`] })
    await transport.close(inMs(1_000))
    expect(transport.health()).toMatchObject({ state: 'closed' })
  })

  it('or wants no credentials is reported at once, without the password', async () => {
    const transport = createKafka({
      brokers: kafka.brokers,
      sasl: { mechanism: 'plain', username: 'shop', password: 'top secret' },
    })
    const before = inMs(0)
    const error: unknown = await transport.connect(context, [], { deadline: inMs(20_000) }).catch((caught) => caught)
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    expect(inMs(0) - before).toBeLessThan(10_000)
    expect(inspect([error, transport.health()], { depth: 10 })).not.toContain('top secret')
    await transport.close(inMs(1_000))
  })

  it('does not keep a close waiting that comes while connecting', async () => {
    let accepted = 0
    let closed = 0
    const blackHole = net.createServer((socket) => {
      accepted += 1
      socket.resume()
      socket.on('error', () => {})
      socket.on('close', () => (closed += 1))
    })
    await new Promise<void>((resolve) => blackHole.listen(0, '127.0.0.1', resolve))
    const { port } = blackHole.address() as AddressInfo
    const transport = createKafka({ brokers: [`127.0.0.1:${port}`] })
    const connecting = transport.connect(context, [], { deadline: inMs(30_000) })
    const outcome = expect(connecting).rejects.toMatchObject({ code: 'POSTHORN_CONNECTION_LOST' })
    await eventually(
      async () => accepted,
      (count) => count > 0,
    )
    const before = inMs(0)
    await transport.close(inMs(2_000))
    await outcome
    expect(inMs(0) - before).toBeLessThan(10_000)
    await eventually(
      async () => closed,
      (count) => count === accepted,
    )
    await new Promise((resolve) => blackHole.close(resolve))
  })
})

describe('a closed transport', () => {
  it('leaves no timer and no socket behind', async () => {
    const orders = uniqueName('orders')
    const count = (): Record<string, number> => {
      const counts: Record<string, number> = { TCPSocketWrap: 0, Timeout: 0 }
      for (const name of process.getActiveResourcesInfo()) if (name in counts) counts[name]! += 1
      return counts
    }
    const before = count()
    const transport = createKafka({ brokers: kafka.brokers })
    await transport.connect(context, [orders], { deadline: inMs(10_000) })
    const got = await collect(transport, { subscription: subscriptionTo(orders, { rungsMs: [60_000] }) })
    await send(transport, orders, wireMessage({ id: 'm-1' }))
    await send(
      transport,
      { retry: { destination: orders, group: 'billing', delayMs: 60_000 } },
      wireMessage({ id: 'm-2' }),
    )
    await got.until(({ texts }) => texts.length === 1)
    await transport.close(inMs(10_000))
    await eventually(
      async () => count(),
      (now) => now['TCPSocketWrap']! <= before['TCPSocketWrap']! && now['Timeout']! <= before['Timeout']! + 1,
    )
    await transport.close(inMs(10_000))
    const late = transport.send({ destination: orders }, wireMessage({ id: 'm-3' }), { deadline: inMs(1_000) })
    await expect(late).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome: 'notSent' })
  })
})
