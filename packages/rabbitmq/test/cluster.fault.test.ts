import type { PublishError } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import {
  contextOf,
  eventually,
  message,
  openInbox,
  subscriptionTo,
  uniqueDestination,
  withChannel,
  within,
} from './broker.js'
import { ownBroker } from './support/testBroker.js'

const cluster = ownBroker({ nodes: 3 })

/** The node, from 1, that leads a quorum queue. */
async function leaderOf(queue: string): Promise<number> {
  const lines = (await cluster.control.ctl('list_queues', '--quiet', '--no-table-headers', 'name', 'leader')).split(
    '\n',
  )
  const leader = lines.find((line) => line.startsWith(`${queue}\t`))?.split('\t')[1] ?? ''
  return Number(/(\d)@/.exec(leader)?.[1])
}

describe('a cluster of three that loses the node which leads the queue', { timeout: 180_000 }, () => {
  it('goes on with the other two: what was confirmed arrives, and both sides move to living nodes', async () => {
    const orders = uniqueDestination()
    const transport = cluster.make()
    await transport.connect(contextOf(), [orders], within(30_000))
    const inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    const seen = (): Set<string | undefined> => new Set(inbox.all.map(({ id }) => id))
    await cluster.control.syncDeclarations()
    const confirmed: string[] = []
    const rejected: PublishError[] = []
    let next = 0
    let isOver = false
    const publish = async (): Promise<void> => {
      while (!isOver) {
        const one = message({ id: `m-${(next += 1)}` })
        await transport.send({ destination: orders }, one, within(60_000)).then(
          () => confirmed.push(one.id),
          (error: PublishError) => rejected.push(error),
        )
      }
    }
    const publishing = Promise.all(Array.from({ length: 10 }, publish))
    await eventually(() => confirmed.length > 200)
    const leader = await leaderOf(`${orders}.billing`)
    expect(leader).toBeGreaterThan(0)
    await cluster.control.kill(leader)
    const before = { confirmed: confirmed.length, seen: seen().size }
    // Alive again while the node is still away.
    await eventually(() => confirmed.length > before.confirmed + 200 && seen().size > before.seen + 200, 60_000)
    expect(transport.health().state).toBe('ready')
    await cluster.control.start(leader)
    isOver = true
    await publishing
    for (const error of rejected) expect(error).toMatchObject({ outcome: 'unknown', retryable: true })
    await eventually(() => {
      const ids = seen()
      return confirmed.every((id) => ids.has(id))
    }, 60_000)
  })
})

describe('a cluster of three that loses the node of a classic queue', { timeout: 180_000 }, () => {
  it('takes a first subscription to it once the node is back, and never calls the queue missing', async () => {
    const orders = uniqueDestination()
    const queue = `${orders}.billing`
    const [first = '', second = '', third = ''] = cluster.urls
    await withChannel(async (channel) => {
      await channel.assertExchange(orders, 'topic', { durable: true })
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'classic' } })
      await channel.bindQueue(queue, orders, '#')
    }, third)
    const transport = cluster.make({ urls: [first, second], topology: 'none' })
    await transport.connect(contextOf(), [orders], within(30_000))
    await cluster.control.kill(3)
    try {
      const subscribing = openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete(), 120_000)
      await cluster.control.start(3)
      const inbox = await subscribing
      await transport.send({ destination: orders }, message(), within(60_000))
      await eventually(() => inbox.all.length === 1)
    } finally {
      await cluster.control.start(3)
    }
  })
})
