import type { PublishError } from '@posthorn/core/adapter'
import { createFaultProxy } from '@posthorn/testing'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import {
  after,
  brokerUrl,
  contextOf,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  within,
} from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected } = sharedBroker()

async function took(work: Promise<unknown>): Promise<number> {
  const before = performance.now()
  await work
  return performance.now() - before
}

/** How long after its deadline a close may settle on a busy machine. */
const graceMs = 10_000

describe('closing a transport to RabbitMQ', () => {
  it('in the middle of publishes answers each of them, and what it confirmed is there', async () => {
    const orders = destination()
    const reader = await connected([orders])
    const inbox = await openInbox(reader, subscriptionTo(orders), (delivery) => delivery.complete())
    const transport = await connected([orders])
    const answers = new Map<string, string>()
    const sends = Array.from({ length: 3_000 }, async (_, index) => {
      const one = message({ id: `m-${index}`, body: Buffer.alloc(4_096) })
      await sendTo(transport, { destination: orders }, one).then(
        () => answers.set(one.id, 'confirmed'),
        ({ outcome }: PublishError) => answers.set(one.id, outcome),
      )
    })
    await eventually(() => answers.size > 50, 60_000)
    expect(answers.size).toBeLessThan(3_000)
    expect(await took(transport.close(after(5_000)))).toBeLessThan(5_000 + graceMs)
    await Promise.all(sends)
    const idsWith = (answer: string): string[] => [...answers].filter(([, found]) => found === answer).map(([id]) => id)
    const seen = (): Set<string | undefined> => new Set(inbox.all.map(({ id }) => id))
    await eventually(() => idsWith('confirmed').every((id) => seen().has(id)), 60_000)
    expect(idsWith('notSent').filter((id) => seen().has(id))).toEqual([])
  })

  it('in the middle of handlers settles, and their messages come to the next process', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const held = await openInbox(transport, subscriptionTo(orders))
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const one = message()
        await sendTo(transport, { destination: orders }, one)
        return one.id
      }),
    )
    await eventually(() => held.all.length === 20)
    expect(await took(transport.close(after(3_000)))).toBeLessThan(3_000 + graceMs)
    for (const delivery of held.all) delivery.complete() // The handlers end too late.
    const next = await openInbox(await connected([orders]), subscriptionTo(orders), (delivery) => delivery.complete())
    await eventually(() => new Set(next.all.map(({ id }) => id)).size === 20)
    expect(new Set(next.all.map(({ id }) => id))).toEqual(new Set(ids))
  })

  it.each(['toServer', 'toClient', 'both'] as const)(
    'settles by its deadline while nothing passes %s, with publishes and handlers under way',
    async (direction) => {
      const orders = destination()
      await using proxy = await createFaultProxy({ target: brokerUrl() })
      const transport = await connected([orders], { urls: [proxy.url] })
      const inbox = await openInbox(transport, subscriptionTo(orders))
      await sendTo(transport, { destination: orders })
      await inbox.next()
      proxy.blackhole(direction)
      const outcomes = Array.from({ length: 50 }, () =>
        sendTo(transport, { destination: orders }).then(
          () => 'confirmed',
          ({ outcome }: PublishError) => outcome,
        ),
      )
      expect(await took(transport.close(after(1_000)))).toBeLessThan(1_000 + graceMs)
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['unknown']))
      expect(transport.health().state).toBe('closed')
      await eventually(() => {
        proxy.heal()
        return proxy.connectionCount === 0
      })
    },
  )

  it('settles while TLS is being agreed with a server that says nothing', async () => {
    await using proxy = await createFaultProxy({ target: brokerUrl() })
    proxy.blackhole()
    const transport = createRabbitMq({ urls: [proxy.url.replace('amqp:', 'amqps:')] })
    const connecting = transport.connect(contextOf(), [], within(60_000)).catch((error: unknown) => error)
    await eventually(() => proxy.connectionCount === 1)
    expect(await took(transport.close(after(1_000)))).toBeLessThan(1_000 + graceMs)
    expect(await connecting).toMatchObject({ code: 'POSTHORN_STOPPED' })
    proxy.heal()
    await eventually(() => proxy.connectionCount === 0)
  })
})
