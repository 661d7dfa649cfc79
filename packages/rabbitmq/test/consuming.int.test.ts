import { describe, expect, it } from 'vitest'
import { after, deleteQueue, eventually, message, openInbox, sendTo, subscriptionTo, withChannel } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const rungs = [300, 700]
const { destination, connected } = sharedBroker({ rungs })

const readyCount = (queue: string): Promise<number> =>
  withChannel(async (channel) => (await channel.checkQueue(queue)).messageCount)

describe('consuming from RabbitMQ', () => {
  it('forgets what is completed and delivers again what is released', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    const sent = message()
    await sendTo(transport, { destination: orders }, sent)
    const first = await inbox.next()
    first.release()
    first.complete() // A second settlement does nothing, as a late one.
    const second = await inbox.next()
    expect(second.id).toBe(sent.id)
    second.complete()
    await inbox.running.stop(after(5_000))
    await transport.close(after(5_000))
    expect(await readyCount(`${orders}.billing`)).toBe(0)
  })

  it('counts deliveries that ended without an answer, and gives them to the next consumer', async () => {
    const orders = destination()
    const crashing = await connected([orders])
    const lost = await openInbox(crashing, subscriptionTo(orders))
    await sendTo(crashing, { destination: orders })
    const unanswered = await lost.next()
    expect(unanswered.brokerRedeliveries).toBe(0)
    await crashing.close(after(5_000))
    unanswered.complete() // Its channel is gone: this must neither throw nor reach anybody.
    const inbox = await openInbox(await connected(), subscriptionTo(orders))
    const again = await inbox.next()
    expect(again).toMatchObject({ id: unanswered.id, brokerRedeliveries: 1 })
    again.complete()
  })

  it('gives nothing back when it asks for more at once after its first message', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const before = await openInbox(transport, subscriptionTo(orders))
    await before.running.stop(after(5_000))
    const sent = Array.from({ length: 200 }, () => message())
    await Promise.all(sent.map((one) => sendTo(transport, { destination: orders }, one)))
    const inbox = await openInbox(await connected(), subscriptionTo(orders), (delivery) => delivery.complete())
    await eventually(() => inbox.all.length >= sent.length)
    // What was given back says so in its headers, in each version with another one.
    const deliveredBefore = inbox.all.filter(({ headers }) =>
      Object.keys(headers).some((name) => name.endsWith('-count')),
    )
    expect(deliveredBefore).toEqual([])
    expect(inbox.all.map(({ id }) => id)).toEqual(sent.map(({ id }) => id))
  })

  it('never holds more than maxInFlight unsettled, and goes on past a slow one', async () => {
    const orders = destination()
    const transport = await connected([orders])
    let open = 0
    let most = 0
    let slow: { complete(): void } | undefined
    const inbox = await openInbox(transport, subscriptionTo(orders, { maxInFlight: 10 }), (delivery) => {
      most = Math.max(most, (open += 1))
      if (slow === undefined) slow = delivery
      else {
        setTimeout(() => {
          open -= 1
          delivery.complete()
        }, 1)
      }
    })
    await Promise.all(Array.from({ length: 500 }, () => sendTo(transport, { destination: orders })))
    await eventually(() => inbox.all.length === 500)
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(10)
    slow?.complete()
    await eventually(async () => {
      await inbox.running.stop(after(5_000))
      return (await readyCount(`${orders}.billing`)) === 0
    })
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  })

  it('pauses above maxInFlightBytes, and resumes when something is settled', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const body = Buffer.alloc(1_000)
    const inbox = await openInbox(transport, subscriptionTo(orders, { maxInFlightBytes: 2_500 }))
    await Promise.all(Array.from({ length: 6 }, () => sendTo(transport, { destination: orders }, message({ body }))))
    await eventually(() => inbox.all.length === 2)
    for (let settled = 0; settled < 6; settled += 1) {
      expect(inbox.all.length).toBeLessThanOrEqual(settled + 2)
      ;(await inbox.next()).complete()
    }
    expect(inbox.all).toHaveLength(6)
  })

  it('brings a message back from a rung after its delay, with headers and body intact', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders, { rungsMs: rungs }))
    const sent = message({ headers: { 'posthorn-attempt': '2' }, contentType: 'application/cloudevents+json' })
    for (const delayMs of rungs) {
      const before = performance.now()
      const retry = { destination: orders, group: 'billing', delayMs }
      expect(await sendTo(transport, { retry }, sent)).toEqual({ routed: true })
      const delivery = await inbox.next()
      const tookMs = performance.now() - before
      expect(tookMs).toBeGreaterThanOrEqual(delayMs)
      expect(tookMs).toBeLessThan(delayMs + 10_000) // How late exactly is measured by the test of the ladder.
      expect(delivery).toMatchObject({ id: sent.id, contentType: sent.contentType, body: sent.body })
      expect(delivery.headers).toMatchObject({ ...sent.headers, 'x-first-death-reason': 'expired' })
      expect(delivery.headers['x-death']).toBeUndefined() // A table, and no scalar.
      delivery.complete()
    }
  })

  it('says that a retry without its rung, and a dead letter without its queue, reached nobody', async () => {
    const orders = destination()
    const transport = await connected([orders])
    await openInbox(transport, subscriptionTo(orders))
    const group = { destination: orders, group: 'billing' }
    expect(await sendTo(transport, { retry: { ...group, delayMs: 5 } })).toEqual({ routed: false })
    expect(await sendTo(transport, { dead: { ...group, group: 'nobody' } })).toEqual({ routed: false })
    expect(await sendTo(transport, { dead: group })).toEqual({ routed: true })
  })

  it('reads dead letters: ours, and those that only the broker wrote', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const work = await openInbox(transport, subscriptionTo(orders))
    const dead = await openInbox(transport, subscriptionTo(orders, { source: 'dead' }))
    await sendTo(
      transport,
      { dead: { destination: orders, group: 'billing' } },
      message({ headers: { 'posthorn-reason': 'x' } }),
    )
    const ours = await dead.next()
    expect(ours).toMatchObject({ address: `${orders}.billing.dead`, headers: { 'posthorn-reason': 'x' } })
    ours.complete()
    await work.running.stop(after(5_000))
    const sent = message()
    await sendTo(transport, { destination: orders }, sent)
    await withChannel(async (channel) => {
      const found = await channel.get(`${orders}.billing`)
      if (found !== false) channel.reject(found, false)
    })
    const theirs = await dead.next()
    expect(theirs).toMatchObject({
      id: sent.id,
      headers: { 'x-first-death-reason': 'rejected', 'x-first-death-queue': `${orders}.billing` },
    })
    theirs.complete()
  })

  it('a reader of dead letters declares their queue and nothing else', async () => {
    const orders = destination()
    const transport = await connected()
    await openInbox(transport, subscriptionTo(orders, { source: 'dead', rungsMs: rungs }))
    expect(await readyCount(`${orders}.billing.dead`)).toBe(0)
    await expect(readyCount(`${orders}.billing`)).rejects.toMatchObject({ code: 404 })
    await expect(withChannel((channel) => channel.checkExchange(orders))).rejects.toMatchObject({ code: 404 })
  })

  it('delivers only the types that the group handles', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders, { types: ['a.v1', 'b.v1'] }))
    const routed = []
    for (const type of ['a.v1', 'c.v1', 'b.v1']) {
      routed.push((await sendTo(transport, { destination: orders }, message({ type }))).routed)
    }
    expect(routed).toEqual([true, false, true])
    ;(await inbox.next()).complete()
    ;(await inbox.next()).complete()
  })

  it('keeps the bindings of an older process beside a new one that handles other types', async () => {
    const orders = destination()
    const transport = await connected([orders])
    await openInbox(transport, subscriptionTo(orders, { types: ['old.v1'] }))
    await openInbox(await connected(), subscriptionTo(orders, { types: ['new.v1'] }))
    for (const type of ['old.v1', 'new.v1']) {
      expect(await sendTo(transport, { destination: orders }, message({ type }))).toEqual({ routed: true })
    }
  })

  it('when ordered gives all messages to one of two processes, in order', async () => {
    const orders = destination()
    const first = await connected([orders])
    const second = await connected()
    const ordered = subscriptionTo(orders, { ordered: true })
    const active = await openInbox(first, ordered, (delivery) => delivery.complete())
    const standby = await openInbox(second, ordered, (delivery) => delivery.complete())
    const ids = Array.from({ length: 100 }, (_, index) => `m-${index}`)
    await Promise.all(ids.map((id) => sendTo(first, { destination: orders }, message({ id }))))
    await eventually(() => active.all.length === 100)
    expect(active.all.map(({ id }) => id)).toEqual(ids)
    await active.running.stop(after(5_000))
    await sendTo(first, { destination: orders })
    await standby.next()
  })

  it('an ordered consumer that stops gives back in order, before the next process gets later messages', async () => {
    const orders = destination()
    const first = await connected([orders])
    const second = await connected()
    const ordered = subscriptionTo(orders, { ordered: true, maxInFlight: 10 })
    const active = await openInbox(first, ordered)
    const standby = await openInbox(second, ordered, (delivery) => delivery.complete())
    const ids = Array.from({ length: 30 }, (_, index) => `m-${index}`)
    await Promise.all(ids.map((id) => sendTo(first, { destination: orders }, message({ id }))))
    await eventually(() => active.all.length === 10)
    active.all[0]?.complete()
    active.all[3]?.complete()
    await active.running.stop(after(5_000))
    for (const delivery of active.all.slice(4)) delivery.release()
    active.all[1]?.complete()
    expect(standby.all).toHaveLength(0) // One handler still works: its key must not go to another process.
    active.all[2]?.release()
    await eventually(() => standby.all.length === 27)
    expect(standby.all.map(({ id }) => id)).toEqual(ids.filter((id) => !['m-0', 'm-1', 'm-3'].includes(id)))
  })

  it('after stop hands nothing over, gives back what it held, and still settles', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const body = Buffer.alloc(1_000)
    const inbox = await openInbox(transport, subscriptionTo(orders, { maxInFlightBytes: 1_000 }))
    await Promise.all(Array.from({ length: 5 }, () => sendTo(transport, { destination: orders }, message({ body }))))
    const handedOver = await inbox.next()
    await inbox.running.stop(after(5_000))
    await inbox.running.stop(after(5_000))
    expect(inbox.all).toHaveLength(1)
    await eventually(async () => (await readyCount(`${orders}.billing`)) === 4)
    handedOver.complete()
    await transport.close(after(5_000))
    expect(await readyCount(`${orders}.billing`)).toBe(4)
  })

  it('flushes what was completed in the turn of the close', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await Promise.all(Array.from({ length: 50 }, () => sendTo(transport, { destination: orders })))
    await eventually(() => inbox.all.length === 50)
    for (const delivery of inbox.all.slice(0, 40)) delivery.complete()
    await transport.close(after(5_000))
    await eventually(async () => (await readyCount(`${orders}.billing`)) === 10)
  })

  it('subscribes again when its queue is deleted', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await deleteQueue(`${orders}.billing`)
    await eventually(async () => (await sendTo(transport, { destination: orders })).routed)
    ;(await inbox.next()).complete()
    await eventually(() => transport.health().state === 'ready')
  })

  it('reads messages of any client: foreign headers, no id, no content type, a poisoned prototype', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await withChannel(async (channel) => {
      const headers = Object.create(null) as Record<string, unknown>
      Object.assign(headers, { text: 'a', count: 7, yes: true, bytes: Buffer.from('b'), list: [1], none: null })
      headers['__proto__'] = { polluted: 'yes' }
      channel.publish('', `${orders}.billing`, Buffer.alloc(0), { headers })
      await channel.checkQueue(`${orders}.billing`)
    })
    const delivery = await inbox.next()
    expect({ ...delivery.headers }).toEqual({ text: 'a', count: '7', yes: 'true', bytes: 'b' })
    expect(delivery.headers['polluted']).toBeUndefined()
    expect(delivery.contentType).toBe('')
    expect(delivery.id).toBeUndefined()
    expect(delivery.body?.byteLength).toBe(0)
    delivery.complete()
  })

  it('refuses a queue that exists with other settings, saying expected and actual', async () => {
    const orders = destination()
    await withChannel((channel) => channel.assertQueue(`${orders}.billing`, { durable: true }))
    const transport = await connected()
    await expect(openInbox(transport, subscriptionTo(orders))).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISMATCH',
      details: { resource: `queue "${orders}.billing"`, expected: { 'x-queue-type': 'quorum' } },
      message: expect.stringContaining('x-overflow is not set, expected "reject-publish"') as string,
    })
    expect(transport.health()).toMatchObject({ state: 'ready' })
  })

  it('with "verify" consumes from what exists, changes nothing and refuses what is missing', async () => {
    const orders = destination()
    const verifying = await connected([], { topology: 'verify' })
    await expect(openInbox(verifying, subscriptionTo(orders))).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISSING',
    })
    await openInbox(await connected([orders]), subscriptionTo(orders))
    const inbox = await openInbox(verifying, subscriptionTo(orders))
    await inbox.running.stop(after(5_000))
    await expect(openInbox(verifying, subscriptionTo(orders, { ordered: true }))).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISMATCH',
    })
  })

  it('with "none" declares nothing, and refuses a queue that is not there', async () => {
    const orders = destination()
    const trusting = await connected([orders], { topology: 'none' })
    await expect(openInbox(trusting, subscriptionTo(orders))).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISSING',
    })
    await expect(withChannel((channel) => channel.checkExchange(orders))).rejects.toMatchObject({ code: 404 })
  })

  it('several processes may start at once', async () => {
    const orders = destination()
    const transports = await Promise.all(Array.from({ length: 5 }, () => connected([orders])))
    await Promise.all(transports.map((transport) => openInbox(transport, subscriptionTo(orders, { rungsMs: rungs }))))
    const consumers = await withChannel(
      async (channel) => (await channel.checkQueue(`${orders}.billing`)).consumerCount,
    )
    expect(consumers).toBe(5)
  })
})
