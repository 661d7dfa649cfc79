import { createService, defineCommand, defineEvent, on } from '@posthorn/core'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import { brokerUrl, deleteQueue, message, openInbox, sendTo } from './broker.js'
import { eventually, subscriptionTo, withChannel } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected } = sharedBroker({ queues: ['.unrouted'], options: { unrouted: 'keep' } })

const keptIn = (orders: string): Promise<number> =>
  withChannel(async (channel) => (await channel.checkQueue(`${orders}.unrouted`)).messageCount)

describe('an event that no queue takes', () => {
  it('is kept before its publish resolves, as it was, and is still told to be unrouted', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const sent = message({ headers: { traceparent: '00-a' } })
    expect(await sendTo(transport, { destination: orders }, sent)).toEqual({ routed: false })
    const kept = await withChannel((channel) => channel.get(`${orders}.unrouted`, { noAck: true }))
    if (kept === false) return expect.unreachable('it was not kept')
    expect(kept.content).toEqual(sent.body)
    expect(kept.properties).toMatchObject({
      messageId: sent.id,
      type: sent.type,
      contentType: sent.contentType,
      deliveryMode: 2,
      headers: { traceparent: '00-a' },
    })
    expect(transport.health().counts).toMatchObject({ returned: 1, kept: 1, notKept: 0 })
  })

  it('is not kept unless asked for', async () => {
    const orders = destination()
    const transport = await connected([orders], { unrouted: 'report' })
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    await expect(keptIn(orders)).rejects.toThrow()
  })

  it('is kept of a destination that nobody announced, and after the queue was deleted', async () => {
    const orders = destination()
    const transport = await connected([])
    await Promise.all(Array.from({ length: 20 }, () => sendTo(transport, { destination: orders })))
    expect(await keptIn(orders)).toBe(20)
    await deleteQueue(`${orders}.unrouted`)
    await sendTo(transport, { destination: orders })
    expect(await keptIn(orders)).toBe(1)
  })

  it('is only reported and counted when the queue is full', async () => {
    const orders = destination()
    const transport = await connected([orders], { maxUnroutedCount: 2 })
    const receipts = []
    for (let sent = 0; sent < 8; sent += 1) receipts.push(await sendTo(transport, { destination: orders }))
    expect(receipts).toEqual(Array.from({ length: 8 }, () => ({ routed: false })))
    const { kept = 0, notKept = 0 } = transport.health().counts ?? {}
    // A queue counts with a small delay, so one more may fit.
    expect(kept).toBeLessThan(8)
    expect(kept + notKept).toBe(8)
    expect(await keptIn(orders)).toBe(kept)
  })

  it('is only reported where its queue is missing and nothing may be declared', async () => {
    const orders = destination()
    await withChannel((channel) => channel.assertExchange(orders, 'topic'))
    const transport = await connected([orders], { topology: 'none' })
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    expect(transport.health().counts).toMatchObject({ kept: 0, notKept: 1 })
  })

  it('is kept in a queue with other bounds, which hold', async () => {
    const orders = destination()
    await connected([orders], { maxUnroutedCount: 5 })
    const transport = await connected([], { maxUnroutedCount: 500 })
    await sendTo(transport, { destination: orders })
    expect(await keptIn(orders)).toBe(1)
  })

  it('is not kept when it is a command, nor are retries and dead letters', async () => {
    const orders = destination()
    const charge = defineCommand({ type: 'charge.v1', destination: orders, schema: { type: 'object' } })
    const placed = defineEvent({ type: 'placed.v1', destination: orders, schema: { type: 'object' } })
    const transport = createRabbitMq({ urls: [brokerUrl()], unrouted: 'keep' })
    const service = createService({ source: '/test', transport, publishes: [charge, placed] })
    await service.start()
    await expect(service.publish(charge, {})).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_UNROUTED' })
    await expect(service.publish(placed, {}, { mustRoute: true })).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_UNROUTED',
    })
    const group = { destination: orders, group: 'billing' }
    for (const target of [{ dead: group }, { retry: { ...group, delayMs: 5 } }, { group }]) {
      expect(await sendTo(transport, target)).toEqual({ routed: false })
    }
    expect(await keptIn(orders)).toBe(0)
    expect(await service.publish(placed, {})).toMatchObject({ routed: false })
    expect(await keptIn(orders)).toBe(1)
    await service.stop()
  })
})

describe('a replay of unrouted events', () => {
  it('gives a later group what it missed, of the types that it asks for', async () => {
    const orders = destination()
    const placed = defineEvent({
      type: 'placed.v1',
      destination: orders,
      schema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } },
    })
    const moved = defineEvent({ type: 'moved.v1', destination: orders, schema: { type: 'object' } })
    const transport = createRabbitMq({ urls: [brokerUrl()], unrouted: 'keep' })
    const service = createService({ source: '/test', transport, publishes: [placed, moved] })
    const seen: number[] = []
    service.consume('billing', { handlers: [on(placed, ({ data }) => void seen.push(data.n))] })
    const early = createService({
      source: '/test',
      transport: createRabbitMq({ urls: [brokerUrl()], unrouted: 'keep' }),
      publishes: [placed, moved],
    })
    await early.start()
    for (let n = 0; n < 5; n += 1) {
      await early.publish(placed, { n })
      await early.publish(moved, {})
    }
    await early.stop()
    await service.start()
    const replay = { destination: orders, group: 'billing', types: [placed.type] }
    expect(await transport.topology.replayUnrouted({ ...replay, maxCount: 2 })).toEqual({
      moved: 2,
      skipped: 1,
      interrupted: false,
    })
    expect(await transport.topology.replayUnrouted(replay)).toEqual({ moved: 3, skipped: 5, interrupted: false })
    await eventually(() => seen.length === 5)
    expect(new Set(seen)).toEqual(new Set([0, 1, 2, 3, 4]))
    expect(await keptIn(orders)).toBe(5)
    expect(await transport.topology.replayUnrouted(replay)).toEqual({ moved: 0, skipped: 5, interrupted: false })
    await service.stop()
  })

  it('takes nothing away while the group has no queue, or a full one', async () => {
    const orders = destination()
    const transport = await connected([orders])
    for (let sent = 0; sent < 5; sent += 1) await sendTo(transport, { destination: orders })
    const replay = { destination: orders, group: 'billing' }
    await expect(transport.topology.replayUnrouted(replay)).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_UNROUTED' })
    expect(await keptIn(orders)).toBe(5)
    const full = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
    await withChannel((channel) => channel.assertQueue(`${orders}.billing`, { durable: true, arguments: full }))
    await withChannel(async (channel) => channel.sendToQueue(`${orders}.billing`, Buffer.from('fills it')))
    await expect(transport.topology.replayUnrouted(replay)).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED' })
    await eventually(async () => (await keptIn(orders)) === 5)
  })

  it('loses none when it is interrupted again and again', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const ids = Array.from({ length: 600 }, () => message())
    await Promise.all(ids.map((one) => sendTo(transport, { destination: orders }, one)))
    const consumer = await connected([])
    const inbox = await openInbox(consumer, subscriptionTo(orders), (delivery) => delivery.complete())
    const replay = { destination: orders, group: 'billing' }
    let reports = 0
    for (let moved = 0; moved < ids.length; reports += 1) {
      const stop = new AbortController()
      const target = inbox.all.length + 20
      const stopSoon = eventually(() => inbox.all.length >= Math.min(target, ids.length)).then(() => stop.abort())
      const report = await transport.topology.replayUnrouted(replay, { signal: stop.signal })
      await stopSoon
      moved += report.moved
      expect(report.interrupted).toBe(moved < ids.length)
    }
    expect(reports).toBeGreaterThan(2)
    await eventually(() => new Set(inbox.all.map(({ id }) => id)).size === ids.length)
    expect(await keptIn(orders)).toBe(0)
  })

  it('of nothing moves nothing, and refuses what it cannot understand', async () => {
    const orders = destination()
    const { topology } = await connected([])
    const replay = { destination: orders, group: 'billing' }
    expect(await topology.replayUnrouted(replay)).toEqual({ moved: 0, skipped: 0, interrupted: false })
    await expect(topology.replayUnrouted({ ...replay, maxCount: 0 })).rejects.toMatchObject({
      code: 'POSTHORN_CONFIGURATION',
    })
  })
})
