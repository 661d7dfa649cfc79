import { silentLogger } from '@posthorn/core/adapter'
import type { Logger, PublishError } from '@posthorn/core/adapter'
import { createFaultProxy } from '@posthorn/testing'
import { describe, expect, it } from 'vitest'
import {
  brokerUrl,
  contextOf,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  withChannel,
  within,
} from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, make, connected, closing } = sharedBroker({
  options: { reconnect: { firstMs: 20, maxMs: 200 } },
})

describe('a connection that is cut', () => {
  it.each([
    ['toServer', [1, 7, 400, 9_000, 20_000]],
    ['toClient', [1, 8, 20, 21]],
  ] as const)(
    'inside a burst, by its bytes %s, settles every publish and loses none that was confirmed',
    async (direction, offsets) => {
      const orders = destination()
      const proxy = closing(await createFaultProxy({ target: brokerUrl() }))
      const inbox = await openInbox(await connected([orders]), subscriptionTo(orders), (delivery) =>
        delivery.complete(),
      )
      const transport = await connected([orders], { urls: [proxy.url] })
      const answers = new Map<string, string>()
      for (const offset of offsets) {
        await eventually(() => transport.health().state === 'ready')
        const resets = proxy.resetCount
        proxy.resetAfterBytes(offset, direction)
        await Promise.all(
          Array.from({ length: 200 }, async (_, index) => {
            const id = `${direction}-${offset}-${index}`
            await sendTo(transport, { destination: orders }, message({ id })).then(
              ({ routed }) => answers.set(id, routed === true ? 'routed' : 'unrouted'),
              ({ code, outcome }: PublishError) => answers.set(id, `${outcome} ${code}`),
            )
          }),
        )
        expect(proxy.resetCount, `a cut after ${offset} bytes`).toBe(resets + 1)
        // With the same id: what had arrived is a duplicate, and nothing else.
        for (const [id, answer] of answers) {
          if (answer !== 'unknown POSTHORN_PUBLISH_CONNECTION_LOST') continue
          expect(await sendTo(transport, { destination: orders }, message({ id }))).toEqual({ routed: true })
          answers.set(id, 'repeated')
        }
      }
      const kinds = new Set(answers.values())
      expect(kinds).toContain('repeated')
      for (const kind of kinds) expect(['routed', 'repeated']).toContain(kind)
      await eventually(() => {
        const seen = new Set(inbox.all.map(({ id }) => id))
        return [...answers.keys()].every((id) => seen.has(id))
      })
      expect(new Set(inbox.all.map(({ id }) => id)).size).toBe(answers.size)
    },
  )

  it('while everything is set up again, at whatever point, comes back whole and leaves no error uncaught', async () => {
    const orders = destination()
    const proxy = closing(await createFaultProxy({ target: brokerUrl() }))
    const transport = await connected([orders], { urls: [proxy.url] })
    const inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    const tick = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
    // Each answer takes its time, so that the cuts below hit handshake, channels, declarations and the consumer.
    proxy.delay(5)
    for (let round = 0; round < 20; round += 1) {
      proxy.cut()
      await eventually(() => proxy.connectionCount > 0)
      await tick(round * 5)
    }
    proxy.cut()
    proxy.heal()
    const one = message()
    await eventually(() =>
      sendTo(transport, { destination: orders }, one).then(
        ({ routed }) => routed,
        () => false,
      ),
    )
    await eventually(() => inbox.all.some(({ id }) => id === one.id))
    await eventually(() => transport.health().state === 'ready')
    // One consumer on one of two connections: what was begun and cut has left nothing behind.
    await eventually(() => proxy.connectionCount === 2)
    await eventually(() =>
      withChannel(async (channel) => (await channel.checkQueue(`${orders}.billing`)).consumerCount === 1),
    )
  })

  it('without a sound while nothing is done is found by heartbeats, on both sides, and comes back', async () => {
    const orders = destination()
    const proxy = closing(await createFaultProxy({ target: brokerUrl() }))
    const lost: unknown[] = []
    const logger: Logger = {
      ...silentLogger,
      warn: (facts: object) => {
        if ('event' in facts && facts.event === 'rabbitmq.connectionLost') lost.push(facts)
      },
      child: () => logger,
    }
    const transport = make({ urls: [proxy.url], heartbeatMs: 1_000, connectTimeoutMs: 1_000 })
    await transport.connect(contextOf(logger), [orders], within(20_000))
    const inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    proxy.blackhole()
    await eventually(() => lost.length === 2) // That of each side, for itself.
    proxy.heal()
    await eventually(() => transport.health().reconnects >= 2 && transport.health().state === 'ready')
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: true })
    await eventually(() => inbox.all.length === 1)
  })
})
