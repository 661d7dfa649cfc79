import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import {
  after,
  brokerUrl,
  contextOf,
  deleteExchange,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  uniqueDestination,
  withChannel,
  within,
} from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected } = sharedBroker()

describe('publishing to RabbitMQ', () => {
  it('says that a message which a group listens for was routed, and one that nobody does was not', async () => {
    const orders = destination()
    const transport = await connected([orders])
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    const inbox = await openInbox(transport, subscriptionTo(orders, { types: ['com.example.placed.v1'] }))
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: true })
    expect(await sendTo(transport, { destination: orders }, message({ type: 'com.example.other.v1' }))).toEqual({
      routed: false,
    })
    ;(await inbox.next()).complete()
  })

  it('ties each return to its own publish, also for copies of one id at once', async () => {
    const orders = destination()
    const transport = await connected([orders])
    await openInbox(transport, subscriptionTo(orders))
    const copy = message({ id: 'one-and-the-same' })
    const target = { destination: orders, group: 'billing' }
    const receipts = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        index % 2 === 0
          ? sendTo(transport, { group: target }, copy)
          : sendTo(transport, { group: { ...target, group: 'nobody' } }, copy),
      ),
    )
    expect(receipts.map(({ routed }) => routed)).toEqual(receipts.map((_, index) => index % 2 === 0))
  })

  it('keeps headers, content type, id, type and body as they are', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    const sent = message({
      body: Uint8Array.from([0, 255, 1, 254]),
      contentType: 'application/cloudevents+json; charset=UTF-8',
      headers: { 'posthorn-attempt': '2', traceparent: '00-aa-bb-01', 'x-ünï': 'ß' },
    })
    await sendTo(transport, { destination: orders }, sent)
    const delivery = await inbox.next()
    expect({ ...delivery.headers }).toEqual(sent.headers)
    expect(Object.getPrototypeOf(delivery.headers)).toBeNull()
    expect(delivery).toMatchObject({
      id: sent.id,
      contentType: sent.contentType,
      address: `${orders}.billing`,
      brokerRedeliveries: 0,
    })
    expect([...(delivery.body ?? [])]).toEqual([0, 255, 1, 254])
    delivery.complete()
  })

  it('stores messages as persistent, with id and type as native properties', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await inbox.running.stop(after(5_000))
    const sent = message()
    await sendTo(transport, { group: { destination: orders, group: 'billing' } }, sent)
    const found = await withChannel((channel) => channel.get(`${orders}.billing`, { noAck: true }))
    expect(found).toMatchObject({ properties: { deliveryMode: 2, messageId: sent.id, type: sent.type } })
  })

  it('refuses what can never arrive as notSent, without a word to the broker', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const send = (fields: Parameters<typeof message>[0]): Promise<unknown> =>
      sendTo(transport, { destination: orders }, message(fields)).catch((error: unknown) => error)
    const tooLarge = { code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent' }
    expect(await send({ body: Buffer.alloc(16 * 1024 * 1024 + 1) })).toMatchObject(tooLarge)
    expect(await send({ headers: { huge: 'ä'.repeat(25 * 1024) } })).toMatchObject(tooLarge)
    const failed = { code: 'POSTHORN_PUBLISH_FAILED', outcome: 'notSent' }
    expect(await send({ headers: { odd: Infinity as unknown as string } })).toMatchObject(failed)
    expect(await send({ contentType: 'x'.repeat(256) })).toMatchObject(failed)
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  })

  it('takes the longest body and the largest headers that it allows', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    const sent = message({ body: Buffer.alloc(16 * 1024 * 1024, 7), headers: { large: 'x'.repeat(48 * 1024 - 20) } })
    expect(await sendTo(transport, { destination: orders }, sent)).toEqual({ routed: true })
    const delivery = await inbox.next()
    expect(delivery.body?.byteLength).toBe(16 * 1024 * 1024)
    delivery.complete()
  })

  it('fails only the publish whose exchange is missing; its neighbours are published again', async () => {
    const orders = destination()
    const transport = await connected([orders], { topology: 'apply' })
    await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    const careless = await connected([], { topology: 'none' })
    const good = { destination: orders }
    const results = await Promise.allSettled([
      sendTo(careless, good),
      sendTo(careless, good),
      sendTo(careless, good),
      sendTo(careless, { destination: `${orders}-missing` }),
      sendTo(careless, good),
      sendTo(careless, good),
      sendTo(careless, good),
    ])
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual([true, true, true, false, true, true, true])
    expect(results[3]).toMatchObject({
      reason: { code: 'POSTHORN_PUBLISH_NO_DESTINATION', outcome: 'notSent', retryable: false },
    })
    expect(careless.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  })

  it('says for certain that a lone publish to a missing exchange was not sent, and does not know of several', async () => {
    const transport = await connected([], { topology: 'none' })
    const missing = { destination: uniqueDestination() }
    const results = await Promise.allSettled([sendTo(transport, missing), sendTo(transport, missing)])
    for (const result of results) {
      expect(result).toMatchObject({ reason: { code: 'POSTHORN_PUBLISH_NO_DESTINATION', outcome: 'unknown' } })
    }
  })

  it('declares an exchange that nobody named before, once it is published to', async () => {
    const orders = destination()
    const transport = await connected()
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    await withChannel((channel) => channel.checkExchange(orders))
  })

  it('declares an exchange again that was deleted beside it', async () => {
    const orders = destination()
    const other = destination()
    const transport = await connected([orders, other])
    await deleteExchange(orders)
    const receipts = await Promise.all([
      sendTo(transport, { destination: other }),
      sendTo(transport, { destination: orders }),
      sendTo(transport, { destination: other }),
    ])
    // What was written again with the lost channel is unknown: its first write may have found a queue.
    expect(receipts.map(({ routed }) => routed === true)).toEqual([false, false, false])
    await withChannel((channel) => channel.checkExchange(orders))
  })

  it('with "verify" refuses an exchange that is missing, at connect and at publish', async () => {
    const orders = destination()
    await expect(connected([orders], { topology: 'verify' })).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISSING',
    })
    const transport = await connected([], { topology: 'verify' })
    await expect(sendTo(transport, { destination: orders })).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_NO_DESTINATION',
      outcome: 'notSent',
    })
    await expect(withChannel((channel) => channel.checkExchange(orders))).rejects.toMatchObject({ code: 404 })
  })

  it('refuses an exchange of another kind with what it expected and what the broker says', async () => {
    const orders = destination()
    await withChannel((channel) => channel.assertExchange(orders, 'fanout'))
    const differences = [{ argument: 'type', expected: 'topic', actual: 'fanout' }]
    const expected = { code: 'POSTHORN_TOPOLOGY_MISMATCH', details: { differences } }
    await expect(connected([orders])).rejects.toMatchObject(expected)
    await expect(connected([orders], { topology: 'verify' })).rejects.toMatchObject(expected)
  })

  it('rejects what the broker refuses (nack) as unknown', async () => {
    const orders = destination()
    await withChannel((channel) =>
      channel.assertQueue(`${orders}.billing`, {
        arguments: { 'x-queue-type': 'quorum', 'x-max-length': 1, 'x-overflow': 'reject-publish' },
      }),
    )
    const transport = await connected()
    const target = { group: { destination: orders, group: 'billing' } }
    // A quorum queue lets its publishers know only after a moment that it is full.
    let refusal: unknown
    await eventually(async () => {
      refusal = await sendTo(transport, target).then(
        () => undefined,
        (error: unknown) => error,
      )
      return refusal !== undefined
    })
    expect(refusal).toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'unknown', retryable: true })
  })

  it('says notSent when the signal or the deadline came first', async () => {
    const transport = await connected()
    const target = { destination: uniqueDestination() }
    await expect(
      transport.send(target, message(), { ...within(1_000), signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_ABORTED', outcome: 'notSent' })
    await expect(transport.send(target, message(), within(-1))).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_DEADLINE',
      outcome: 'notSent',
    })
  })

  it('says unknown when the signal fires after writing', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const abort = new AbortController()
    const sent = transport.send({ destination: orders }, message(), { ...within(5_000), signal: abort.signal })
    abort.abort()
    await expect(sent).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_ABORTED', outcome: 'unknown' })
  })

  it('rejects sends before connect and after close', async () => {
    const transport = createRabbitMq({ urls: [brokerUrl()] })
    await expect(sendTo(transport, { destination: 'orders' })).rejects.toMatchObject({ code: 'POSTHORN_NOT_STARTED' })
    await transport.connect(contextOf(), [], within(20_000))
    await transport.close(after(5_000))
    await expect(sendTo(transport, { destination: 'orders' })).rejects.toMatchObject({ outcome: 'notSent' })
    await expect(transport.connect(contextOf(), [], within(1_000))).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
  })
})
