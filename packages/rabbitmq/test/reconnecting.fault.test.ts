import { createService, defineEvent } from '@posthorn/core'
import type { PublishError, Service } from '@posthorn/core'
import { silentLogger, systemClock } from '@posthorn/core/adapter'
import type { Clock } from '@posthorn/core/adapter'
import { createFaultProxy } from '@posthorn/testing'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import {
  contextOf,
  eventually,
  openInbox,
  sendTo,
  subscriptionTo,
  uniqueDestination,
  withChannel,
  within,
} from './broker.js'
import { ownBroker } from './support/testBroker.js'

const broker = ownBroker()
const { make } = broker
const brokerUrl = (): string => broker.urls[0] as string

/** The connections that the broker knows of a client, by their purpose. */
async function purposesOf(clientName: string): Promise<string[]> {
  const lines = await broker.control.ctl('list_connections', '--quiet', '--no-table-headers', 'client_properties')
  return [...lines.matchAll(new RegExp(`${clientName} (\\w+)`, 'g'))].map(([, purpose = '']) => purpose).sort()
}

describe('a connection to RabbitMQ that is cut', () => {
  it('a hundred times comes back once each time, and never twice', { timeout: 180_000 }, async () => {
    const orders = uniqueDestination()
    await using proxy = await createFaultProxy({ target: brokerUrl() })
    const transport = make({
      urls: [proxy.url],
      clientName: orders,
      reconnect: { firstMs: 5, maxMs: 20 },
    })
    await transport.connect(contextOf(), [orders], within(20_000))
    const inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    let most = 0
    const watching = setInterval(() => (most = Math.max(most, proxy.connectionCount)), 1)
    try {
      for (let cuts = 1; cuts <= 100; cuts += 1) {
        proxy.cut()
        // Both have come back, not only the one that was looked at first.
        await eventually(() => transport.health().reconnects >= 2 * cuts && transport.health().state === 'ready')
        if (cuts % 25 === 0) {
          await eventually(async () => (await purposesOf(orders)).join() === 'consuming,publishing')
        }
      }
    } finally {
      clearInterval(watching)
    }
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 200 })
    expect(most).toBe(2)
    expect(proxy.connectionCount).toBe(2)
    expect((await sendTo(transport, { destination: orders })).routed).toBe(true)
    await eventually(() => inbox.all.length === 1)
  })

  it('together with those of 199 other clients comes back at a moment of its own', { timeout: 120_000 }, async () => {
    const waits: number[] = []
    let isCut = false
    const clock: Clock = {
      ...systemClock,
      schedule(delayMs, action, options) {
        if (isCut && delayMs <= 1_000) waits.push(delayMs)
        return systemClock.schedule(delayMs, action, options)
      },
    }
    await using proxy = await createFaultProxy({ target: brokerUrl() })
    const clients = Array.from({ length: 200 }, () =>
      make({ urls: [proxy.url], reconnect: { firstMs: 1_000, maxMs: 30_000 } }),
    )
    for (let begin = 0; begin < clients.length; begin += 20) {
      const some = clients.slice(begin, begin + 20)
      await Promise.all(some.map((client) => client.connect({ logger: silentLogger, clock }, [], within(60_000))))
    }
    isCut = true
    proxy.cut()
    await eventually(() => waits.length >= 200)
    // The first wait is already random: a tenth of the time has about a tenth of the clients, never a third.
    const tenths = Array.from({ length: 10 }, (_, tenth) => Math.floor(tenth * 100))
    const first = waits.slice(0, 200)
    for (const from of tenths) {
      const some = first.filter((wait) => wait >= from && wait < from + 100)
      expect(some.length).toBeGreaterThan(0)
      expect(some.length).toBeLessThan(67)
    }
    await eventually(() => clients.every((client) => client.health().state === 'ready'), 60_000)
  })
})

describe('a RabbitMQ in a memory alarm', () => {
  const text = 'x'.repeat(1_000_000)
  const contract = defineEvent({
    type: 'com.example.large.v1',
    destination: uniqueDestination(),
    schema: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  })

  async function started(): Promise<Service> {
    const transport = createRabbitMq({ urls: broker.urls })
    const service = createService({ source: '/test', transport, publishes: [contract], logger: silentLogger })
    await service.start()
    await withChannel(async (channel) => {
      await channel.assertQueue(contract.destination, { arguments: { 'x-queue-type': 'quorum' } })
      await channel.bindQueue(contract.destination, contract.destination, '#')
    }, brokerUrl())
    return service
  }

  it(
    'is offered a gigabyte and costs no memory for it; who waits is confirmed after it',
    { timeout: 120_000 },
    async () => {
      const service = await started()
      await broker.control.ctl('set_vm_memory_high_watermark', '0.0001')
      try {
        let small = 0
        await eventually(async () => {
          small += 1
          await service.publish(contract, { text: '' }, { deadlineMs: 200 }).catch(() => {})
          return service.health().transport.state === 'blocked'
        })
        expect(service.health().ready).toBe(false)
        const waiting = Array.from({ length: 20 }, () => service.publish(contract, { text }, { deadlineMs: 60_000 }))
        const answered = Promise.allSettled(waiting)
        const before = process.memoryUsage().rss
        const answers = { notSent: 0, unknown: 0 }
        const codes = new Set<unknown>()
        let offered = 0
        let most = 0
        const offer = async (): Promise<void> => {
          while (offered < 1_000) {
            offered += 1
            await service.publish(contract, { text }, { deadlineMs: 150 }).then(
              () => codes.add('confirmed'),
              ({ code, outcome }: PublishError) => {
                codes.add(code)
                answers[outcome] += 1
              },
            )
            most = Math.max(most, process.memoryUsage().rss)
          }
        }
        await Promise.all(Array.from({ length: 10 }, offer))
        expect(codes).toEqual(new Set(['POSTHORN_PUBLISH_DEADLINE']))
        // When the machine stalls, the core answers before the adapter does, and says unknown to be sure.
        expect(answers.notSent).toBeGreaterThan(500)
        // 10 megabytes are under way at any time; what was given up must not stay.
        expect((most - before) / 1_000_000).toBeLessThan(500)
        expect(service.health().publisher).toMatchObject({ unconfirmed: 20, waiting: 0 })
        await broker.control.ctl('set_vm_memory_high_watermark', '0.4')
        expect((await answered).filter(({ status }) => status === 'rejected')).toEqual([])
        await eventually(() => service.health().ready)
        const { messageCount } = await withChannel((channel) => channel.checkQueue(contract.destination), brokerUrl())
        // Those that waited, and at most the small ones from before it blocked: of the gigabyte nothing.
        expect(messageCount).toBeGreaterThanOrEqual(20)
        expect(messageCount).toBeLessThanOrEqual(20 + small)
      } finally {
        await broker.control.ctl('set_vm_memory_high_watermark', '0.4')
        await service.stop()
      }
    },
  )
})
