import { describe, expect, it } from 'vitest'
import type { Receipt } from '../../src/ports.js'
import type { PublisherSettings } from '../../src/publisher/publisherOptions.js'
import { createGate, never } from '../fakeTransport.js'
import type { Gate } from '../fakeTransport.js'
import { chargeCard, orderPlaced } from '../fixtures.js'
import { isSettled, rejection, rejectionCode } from '../rejections.js'
import { createBench, refusal } from '../publisherBench.js'

it('resolves only when the broker has confirmed, with id and routed', async () => {
  const { publisher, transport } = createBench()
  const gate = createGate<Receipt>()
  transport.answer = () => gate.promise
  const published = publisher.publish(orderPlaced, { orderId: 'o-1' }, { id: 'e-1' })
  expect(await isSettled(published)).toBe(false)
  gate.open({ routed: true })
  expect(await published).toEqual({ id: 'e-1', routed: true })
  expect(publisher.health()).toMatchObject({ published: 1, failed: 0, unconfirmed: 0, unconfirmedBytes: 0 })
})

it('hands the transport’s own error through', async () => {
  const { publisher, transport } = createBench()
  const error = refusal()
  transport.answer = () => Promise.reject(error)
  expect(await rejection(publisher.publish(orderPlaced, { orderId: 'o-1' }))).toBe(error)
  expect(publisher.health()).toMatchObject({ published: 0, failed: 1, unconfirmed: 0, unconfirmedBytes: 0 })
})

describe('a transport that never settles', () => {
  it('does not make publish hang: it rejects soon after its deadline, as unknown', async () => {
    const { publisher, transport, clock } = createBench()
    transport.answer = () => never()
    const published = publisher.publish(orderPlaced, { orderId: 'o-1' }, { deadlineMs: 5_000 })
    const failed = rejection(published)
    await clock.advance(4_999)
    expect(await isSettled(published)).toBe(false)
    await clock.advance(1_001)
    expect(await failed).toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'unknown' })
    expect(publisher.health()).toMatchObject({ unconfirmed: 0, unconfirmedBytes: 0, failed: 1 })
    await publisher.idle()
  })

  it('does not make those hang that wait behind it: they reject at their deadline, as notSent', async () => {
    const { publisher, transport, clock } = createBench({ maxUnconfirmed: 1 })
    transport.answer = () => never()
    const first = rejection(publisher.publish(orderPlaced, { orderId: 'o-1' }, { deadlineMs: 60_000 }))
    const second = rejection(publisher.publish(orderPlaced, { orderId: 'o-2' }, { deadlineMs: 1_000 }))
    await clock.advance(1_000)
    expect(await second).toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
    expect(transport.sent).toHaveLength(1)
    await clock.advance(60_000)
    expect(await first).toMatchObject({ outcome: 'unknown' })
  })

  it('does not count a confirmation that comes after that', async () => {
    const { publisher, transport, clock } = createBench({ deadlineMs: 1_000 })
    const gate = createGate<Receipt>()
    transport.answer = () => gate.promise
    const failed = rejection(publisher.publish(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(2_000)
    await failed
    gate.open({ routed: true })
    await clock.advance(0)
    expect(publisher.health()).toMatchObject({ published: 0, failed: 1, unconfirmed: 0, unconfirmedBytes: 0 })
  })
})

it('survives a transport that throws from send instead of rejecting: the window keeps its places', async () => {
  const { publisher, transport } = createBench({ maxUnconfirmed: 1 })
  const { send } = transport
  let thrown = 0
  transport.send = (target, message, options) => {
    if (thrown++ === 0) throw refusal()
    return send(target, message, options)
  }
  expect(await rejectionCode(publisher.publish(orderPlaced, { orderId: 'o-1' }))).toBe('POSTHORN_PUBLISH_REFUSED')
  expect(publisher.health()).toMatchObject({ unconfirmed: 0, unconfirmedBytes: 0 })
})

it('takes settings that are undefined for not given', async () => {
  const { publisher, transport, clock } = createBench({
    deadlineMs: undefined,
    maxUnconfirmed: undefined,
    maxUnconfirmedBytes: undefined,
  } as never)
  transport.answer = () => never()
  const failed = [1, 2, 3].map((number) => publisher.publish(orderPlaced, { orderId: `o-${number}` }))
  const all = Promise.allSettled(failed)
  expect(publisher.health()).toMatchObject({ unconfirmed: 3, waiting: 0 })
  await clock.advance(31_000)
  expect(await isSettled(all)).toBe(true)
})

describe('the window', () => {
  it('bounds what is unconfirmed, and sends in call order', async () => {
    const { publisher, transport, clock } = createBench({ maxUnconfirmed: 2 })
    const gates: Gate<Receipt>[] = []
    transport.answer = () => {
      const gate = createGate<Receipt>()
      gates.push(gate)
      return gate.promise
    }
    const ids = ['a', 'b', 'c', 'd', 'e']
    const all = Promise.all(ids.map((id) => publisher.publish(orderPlaced, { orderId: id }, { id })))
    await clock.advance(0)
    expect(publisher.health()).toMatchObject({ unconfirmed: 2, waiting: 3 })
    for (let index = 0; index < ids.length; index += 1) {
      gates[index]!.open({ routed: true })
      await clock.advance(0)
    }
    await all
    expect(transport.sent.map(({ message }) => message.id)).toEqual(ids)
  })

  it('gives up at the signal while a message waits, and sends nothing', async () => {
    const { publisher, transport } = createBench({ maxUnconfirmed: 1 })
    transport.answer = () => never()
    void publisher.publish(orderPlaced, { orderId: 'o-1' })
    const controller = new AbortController()
    const second = rejection(publisher.publish(orderPlaced, { orderId: 'o-2' }, { signal: controller.signal }))
    controller.abort()
    expect(await second).toMatchObject({ code: 'POSTHORN_PUBLISH_ABORTED', outcome: 'notSent' })
    expect(transport.sent).toHaveLength(1)
  })

  it('refuses an aborted signal before anything is sent', async () => {
    const { publisher, transport } = createBench()
    const failed = rejection(publisher.publish(orderPlaced, { orderId: 'o-1' }, { signal: AbortSignal.abort() }))
    expect(await failed).toMatchObject({ code: 'POSTHORN_PUBLISH_ABORTED', outcome: 'notSent' })
    expect(transport.sent).toEqual([])
    await publisher.idle()
  })
})

describe('routed', () => {
  it('an event that nobody receives resolves with routed false and is counted', async () => {
    const { publisher, transport } = createBench()
    transport.answer = async () => ({ routed: false })
    expect(await publisher.publish(orderPlaced, { orderId: 'o-1' })).toMatchObject({ routed: false })
    expect(publisher.health()).toMatchObject({ published: 1, unrouted: 1 })
  })

  it('a command that nobody receives rejects', async () => {
    const { publisher, transport } = createBench()
    transport.answer = async () => ({ routed: false })
    const error = await rejection(publisher.publish(chargeCard, { orderId: 'o-1' }))
    expect(error).toMatchObject({ code: 'POSTHORN_PUBLISH_UNROUTED', outcome: 'notSent' })
    expect(publisher.health()).toMatchObject({ published: 0, failed: 1 })
  })

  it('mustRoute of a call wins over the publisher’s, and that over the contract’s kind', async () => {
    const routedFalse = async (
      settings: PublisherSettings,
      options: object,
      contract = orderPlaced,
    ): Promise<unknown> => {
      const { publisher, transport } = createBench(settings)
      transport.answer = async () => ({ routed: false })
      return publisher.publish(contract as typeof orderPlaced, { orderId: 'o-1' }, options).then(
        () => 'resolved',
        () => 'rejected',
      )
    }
    expect(await routedFalse({}, { mustRoute: true })).toBe('rejected')
    expect(await routedFalse({ mustRoute: true }, {})).toBe('rejected')
    expect(await routedFalse({ mustRoute: true }, { mustRoute: false })).toBe('resolved')
    expect(await routedFalse({}, { mustRoute: false }, chargeCard as never)).toBe('resolved')
  })

  it('a command resolves with routed undefined where the transport cannot tell', async () => {
    const { publisher, transport } = createBench({}, { routed: false })
    transport.answer = async () => ({ routed: undefined })
    expect(await publisher.publish(chargeCard, { orderId: 'o-1' })).toMatchObject({ routed: undefined })
  })

  it('mustRoute is refused where the transport cannot tell', async () => {
    const { publisher } = createBench({}, { routed: false })
    expect(await rejectionCode(publisher.publish(orderPlaced, { orderId: 'o-1' }, { mustRoute: true }))).toBe(
      'POSTHORN_CONFIGURATION',
    )
  })
})

it('idle resolves when the last message is confirmed', async () => {
  const { publisher, transport } = createBench()
  const gate = createGate<Receipt>()
  transport.answer = () => gate.promise
  const published = publisher.publish(orderPlaced, { orderId: 'o-1' })
  const idle = publisher.idle()
  expect(await isSettled(idle)).toBe(false)
  gate.open({ routed: true })
  await published
  await idle
})
