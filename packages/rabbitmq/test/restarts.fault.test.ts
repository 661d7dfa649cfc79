import type { PublishError, Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import {
  after,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  takeAll,
  uniqueDestination,
  withChannel,
} from './broker.js'
import { ownBroker } from './support/testBroker.js'

const broker = ownBroker()
const { connected } = broker

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

/** Publishes every millisecond until it is told to stop, and notes how each publish ended. */
function publishEveryMs(transport: Transport, destination: string): { stop(): Promise<Map<string, string>> } {
  const answers = new Map<string, string>()
  const sends: Promise<unknown>[] = []
  let isOver = false
  const loop = (async () => {
    for (let count = 0; !isOver; count += 1) {
      const id = `m-${count}`
      const target = { group: { destination, group: 'billing' } }
      sends.push(
        sendTo(transport, target, message({ id })).then(
          () => answers.set(id, 'confirmed'),
          ({ code, outcome }: PublishError) => answers.set(id, `${outcome} ${code}`),
        ),
      )
      await tick()
    }
  })()
  return {
    async stop() {
      isOver = true
      await loop
      await Promise.all(sends)
      return answers
    },
  }
}

describe('a RabbitMQ that is restarted', () => {
  it('still has every confirmed message, in quorum queues and in durable classic ones', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    await withChannel(async (channel) => {
      await channel.assertQueue(`${orders}.quorum`, { arguments: { 'x-queue-type': 'quorum' } })
      await channel.assertQueue(`${orders}.classic`, { durable: true })
    }, broker.urls[0])
    await broker.control.syncDeclarations()
    const ids = Array.from({ length: 2_000 }, (_, index) => `m-${index}`)
    const groups = ['quorum', 'classic']
    await Promise.all(
      ids.flatMap((id) =>
        groups.map((group) => sendTo(transport, { group: { destination: orders, group } }, message({ id }))),
      ),
    )
    await broker.control.kill()
    await broker.control.start()
    for (const group of groups) expect(await takeAll(`${orders}.${group}`, broker.urls[0]), group).toEqual(ids)
  })

  it('answers each publish around a cut once: confirmed, unknown, or sent on the next connection', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await inbox.running.stop(after(5_000))
    const publishing = publishEveryMs(transport, orders)
    for (let cuts = 1; cuts <= 5; cuts += 1) {
      const { reconnects } = transport.health()
      await broker.control.ctl('close_all_connections', 'bye')
      await eventually(() => transport.health().reconnects > reconnects && transport.health().state === 'ready')
    }
    const answers = await publishing.stop()
    const idsWith = (answer: string): string[] => [...answers].filter(([, found]) => found === answer).map(([id]) => id)
    const confirmed = idsWith('confirmed')
    const unknown = idsWith('unknown POSTHORN_PUBLISH_CONNECTION_LOST')
    // Nothing else happens: what is published in the gap waits for the next connection.
    expect(confirmed.length + unknown.length).toBe(answers.size)
    const stored = await takeAll(`${orders}.billing`, broker.urls[0])
    expect(new Set(stored).size).toBe(stored.length) // Nothing was sent twice behind the caller's back.
    const known = new Set([...confirmed, ...unknown])
    expect(stored.filter((id) => !known.has(id))).toEqual([])
    const there = new Set(stored)
    expect(confirmed.filter((id) => !there.has(id))).toEqual([])
    expect(transport.health().counts).toMatchObject({ resent: 0 })
  })
})
