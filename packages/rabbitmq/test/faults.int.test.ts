import type { Delivery, Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { after, eventually, message, openInbox, sendTo, subscriptionTo, uniqueDestination, within } from './broker.js'
import { ownBroker } from './support/testBroker.js'

/** Longer than a quorum queue needs to survive a kill -9 of its only node. */
const youngQueueMs = 3_000

/** How long after its deadline a close may settle on a busy machine. */
const graceMs = 10_000

const broker = ownBroker()
const { connected } = broker

/** Publishes one after the other in a window, as the core does, and remembers how each ended. */
async function publishMany(transport: Transport, destination: string, count: number): Promise<PublishLedger> {
  const ledger: PublishLedger = { confirmed: [], unknown: [], notSent: [], codes: new Set() }
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const id = `m-${(next += 1)}`
      try {
        await sendTo(transport, { destination }, message({ id }))
        ledger.confirmed.push(id)
      } catch (error) {
        const { outcome, code } = error as { outcome: 'unknown' | 'notSent'; code: string }
        ledger[outcome].push(id)
        ledger.codes.add(code)
      }
    }
  }
  await Promise.all(Array.from({ length: 100 }, worker))
  return ledger
}

interface PublishLedger {
  readonly confirmed: string[]
  readonly unknown: string[]
  readonly notSent: string[]
  readonly codes: Set<string>
}

const consumers = async (queue: string): Promise<string> => {
  const lines = (await broker.control.ctl('list_queues', '--quiet', '--no-table-headers', 'name', 'consumers')).split(
    '\n',
  )
  return lines.find((line) => line.startsWith(`${queue}\t`))?.split('\t')[1] ?? 'no queue'
}

describe('a RabbitMQ that fails', () => {
  it('loses no confirmed message when it is killed and started again in the middle', { timeout: 120_000 }, async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    const seen = new Set<string | undefined>()
    const complete = (delivery: Delivery): void => {
      seen.add(delivery.id)
      delivery.complete()
    }
    await openInbox(transport, subscriptionTo(orders), complete)
    // RabbitMQ writes the names of its quorum queues down about every second: a queue that is younger when its only node
    // is killed comes back empty, confirmed messages and all (tried bare on 3.10, 4.0 and 4.3).
    await new Promise((resolve) => setTimeout(resolve, youngQueueMs))
    const publishing = publishMany(transport, orders, 2_000)
    await eventually(() => seen.size > 200)
    await broker.control.kill()
    await broker.control.start()
    const ledger = await publishing
    expect(ledger.confirmed.length + ledger.unknown.length + ledger.notSent.length).toBe(2_000)
    expect(ledger.unknown.length).toBeGreaterThan(0)
    expect(ledger.unknown.length).toBeLessThanOrEqual(100)
    expect(ledger.codes).toEqual(new Set(['POSTHORN_PUBLISH_CONNECTION_LOST']))
    await eventually(() => ledger.confirmed.every((id) => seen.has(id)))
    for (const id of ledger.notSent) expect(seen.has(id)).toBe(false)
    expect(transport.health().reconnects).toBeGreaterThanOrEqual(2)
  })

  it('that closes every connection makes written publishes unknown, and both sides come back', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    for (let round = 1; round <= 3; round += 1) {
      const publishing = publishMany(transport, orders, 2_000)
      await broker.control.ctl('close_all_connections', 'bye')
      const ledger = await publishing
      expect(ledger.confirmed.length + ledger.unknown.length).toBe(2_000)
      await eventually(() => ledger.confirmed.every((id) => inbox.all.some((delivery) => delivery.id === id)))
      await eventually(async () => (await consumers(`${orders}.billing`)) === '1', 5_000)
    }
    const names = (
      await broker.control.ctl('list_connections', '--quiet', '--no-table-headers', 'client_properties')
    ).split('\n')
    expect(names.filter((line) => line.includes('posthorn publishing'))).toHaveLength(1)
    expect(names.filter((line) => line.includes('posthorn consuming'))).toHaveLength(1)
  })

  it('delivers again what a lost connection left unsettled, and settling the old delivery does nothing', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    const sent = message()
    await sendTo(transport, { destination: orders }, sent)
    const stale = await inbox.next()
    await broker.control.ctl('close_all_connections', 'bye')
    const again = await inbox.next()
    expect([stale.lost?.aborted, again.lost?.aborted]).toEqual([true, false])
    stale.complete()
    stale.release()
    expect(again.id).toBe(sent.id)
    expect(again.brokerRedeliveries).toBe(1)
    again.complete()
    await sendTo(transport, { destination: orders })
    ;(await inbox.next()).complete()
  })

  it('that blocks publishers makes them wait until their deadline, and shows in health', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await sendTo(transport, { destination: orders })
    const delivered = await inbox.next()
    await broker.control.ctl('set_vm_memory_high_watermark', '0.0001')
    try {
      await eventually(async () => {
        await transport.send({ destination: orders }, message(), within(200)).catch(() => {})
        return transport.health().state === 'blocked'
      })
      await expect(transport.send({ destination: orders }, message(), within(300))).rejects.toMatchObject({
        code: 'POSTHORN_PUBLISH_DEADLINE',
        outcome: 'notSent',
      })
      delivered.complete() // Its connection is another one and is still read.
      await eventually(async () =>
        (await broker.control.ctl('list_queues', 'name', 'messages_unacknowledged')).includes(`${orders}.billing\t0`),
      )
      const waiting = sendTo(transport, { destination: orders })
      const closing = await connected([])
      await closing.close(after(3_000))
      await broker.control.ctl('set_vm_memory_high_watermark', '0.4')
      expect(await waiting).toEqual({ routed: true })
      await eventually(() => transport.health().state === 'ready')
    } finally {
      await broker.control.ctl('set_vm_memory_high_watermark', '0.4')
    }
  })

  it('close settles while the broker blocks publishers', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    await broker.control.ctl('set_vm_memory_high_watermark', '0.0001')
    try {
      await eventually(async () => {
        await transport.send({ destination: orders }, message(), within(200)).catch(() => {})
        return transport.health().state === 'blocked'
      })
      const waiting = sendTo(transport, { destination: orders }).catch((error: unknown) => error)
      const before = performance.now()
      await transport.close(after(2_000))
      expect(performance.now() - before).toBeLessThan(2_000 + graceMs)
      expect(await waiting).toMatchObject({ outcome: 'notSent' })
    } finally {
      await broker.control.ctl('set_vm_memory_high_watermark', '0.4')
    }
  })

  it('that freezes is noticed by heartbeats, and does not hold up a close', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders], { heartbeatMs: 1_000 })
    const hasty = await connected([orders], { heartbeatMs: 60_000 })
    await openInbox(hasty, subscriptionTo(orders))
    await broker.control.pause()
    try {
      const sent = sendTo(transport, { destination: orders }).catch((error: unknown) => error)
      const hastily = hasty.send({ destination: orders }, message(), within(500)).catch((error: unknown) => error)
      expect(await hastily).toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'unknown' })
      const before = performance.now()
      await hasty.close(after(1_000))
      expect(performance.now() - before).toBeLessThan(1_000 + graceMs)
      expect(await sent).toMatchObject({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome: 'unknown' })
      expect(transport.health().state).toBe('connecting')
    } finally {
      await broker.control.resume()
    }
    await eventually(() => transport.health().state === 'ready')
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: true })
  })

  it('that comes back empty gets its exchanges, queues and consumers again', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders, { rungsMs: [200] }))
    await broker.control.ctl('stop_app')
    await broker.control.ctl('reset')
    await broker.control.ctl('start_app')
    await eventually(async () => (await consumers(`${orders}.billing`)) === '1')
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: true })
    const delivery = await inbox.next()
    const retry = { destination: orders, group: 'billing', delayMs: 200 }
    expect(await sendTo(transport, { retry })).toEqual({ routed: true })
    delivery.complete()
    ;(await inbox.next()).complete()
  })
})
