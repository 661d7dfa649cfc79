import { describe, expect, it } from 'vitest'
import { defineEvent, PublishError } from '../../src/index.js'
import type { PublishResult } from '../../src/index.js'
import { makePublisher } from '../../src/publisher/publisher.js'
import type { Publisher } from '../../src/publisher/publisher.js'
import type { PublisherSettings } from '../../src/publisher/publisherOptions.js'
import { createFakeTransport, createGate, never } from '../fakeTransport.js'
import type { Gate } from '../fakeTransport.js'
import {
  anything,
  chargeCard,
  createTestKit,
  envelopeOf,
  isSettled,
  orderPlaced,
  rejection,
  rejectionCode,
} from '../fixtures.js'
import type { TestKit } from '../fixtures.js'
import type { Capabilities, Receipt } from '../../src/ports.js'

function createBench(
  settings: PublisherSettings = {},
  capabilities?: Partial<Capabilities>,
): TestKit & { publisher: Publisher } {
  const testKit = createTestKit(capabilities === undefined ? {} : { transport: createFakeTransport(capabilities) })
  const transport = testKit.kit.transport as TestKit['transport']
  return { ...testKit, transport, publisher: makePublisher(testKit.kit, settings) }
}

const refusal = (): PublishError =>
  new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' })

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

describe('invalid messages', () => {
  it('never leave: schema, envelope, options', async () => {
    const { publisher, transport } = createBench()
    const bad = { orderId: 'o-1' }
    const cases: [Promise<PublishResult>, string][] = [
      [publisher.publish(orderPlaced, { orderId: '' }), 'POSTHORN_INVALID_DATA'],
      [publisher.publish(orderPlaced, undefined as never), 'POSTHORN_INVALID_DATA'],
      [publisher.publish(orderPlaced, bad, { id: 'x'.repeat(256) }), 'POSTHORN_INVALID_ENVELOPE'],
      [publisher.publish(orderPlaced, bad, { extensions: { Upper: 'x' } }), 'POSTHORN_INVALID_ENVELOPE'],
      [publisher.publish(orderPlaced, bad, { extensions: { number: Number.NaN } }), 'POSTHORN_INVALID_ENVELOPE'],
      [publisher.publish(orderPlaced, bad, { extensions: { id: 'x' } }), 'POSTHORN_CONFIGURATION'],
      [publisher.publish(orderPlaced, bad, { extensions: { data: 'x' } }), 'POSTHORN_CONFIGURATION'],
      [publisher.publish(orderPlaced, bad, { correlationID: 'x' } as never), 'POSTHORN_CONFIGURATION'],
      [publisher.publish(orderPlaced, bad, { time: new Date(Number.NaN) }), 'POSTHORN_CONFIGURATION'],
      [publisher.publish(orderPlaced, bad, { deadlineMs: 0 }), 'POSTHORN_CONFIGURATION'],
      [publisher.publish(anything, { big: 1n }), 'POSTHORN_UNSERIALIZABLE'],
      [publisher.publish(anything, 'x'.repeat(1_048_576)), 'POSTHORN_TOO_LARGE'],
    ]
    expect(await Promise.all(cases.map(([published]) => rejectionCode(published)))).toEqual(
      cases.map(([, code]) => code),
    )
    expect(transport.sent).toEqual([])
    expect(publisher.health()).toMatchObject({ failed: cases.length, unconfirmed: 0 })
  })

  it('lists all problems of the options at once', async () => {
    const { publisher } = createBench()
    const error = (await rejection(
      publisher.publish(orderPlaced, { orderId: 'o-1' }, { deadlineMs: -1, id: '', unknown: 1 } as never),
    )) as { details: { problems: string[] } }
    expect(error.details.problems).toHaveLength(3)
  })

  it('header values that are no strings are refused: they break the wire', async () => {
    const { publisher, transport } = createBench()
    for (const value of [1, Infinity, new Date(), null, undefined, Symbol('x')]) {
      const published = publisher.publish(orderPlaced, { orderId: 'o-1' }, { headers: { tenant: value } } as never)
      await published.catch(() => {})
    }
    const values = transport.sent.flatMap(({ message }) => Object.values(message.headers))
    expect(values.filter((value) => typeof value !== 'string')).toEqual([])
  })

  it('validation warn sends invalid data and says so', async () => {
    const { publisher, transport, logger } = createBench({ validation: 'warn' })
    await publisher.publish(orderPlaced, { orderId: 'o-1', amount: 0.5 })
    expect(transport.sent).toHaveLength(1)
    expect(logger.records.map(({ facts }) => facts['event'])).toEqual(['publish.invalid'])
  })
})

describe('publishMany', () => {
  const list = ['a', 'b', 'c'].map((orderId) => ({ orderId }))

  it('resolves when all are confirmed, results in the order of the list', async () => {
    const { publisher, transport, clock } = createBench()
    const gates: Gate<Receipt>[] = []
    transport.answer = () => {
      const gate = createGate<Receipt>()
      gates.push(gate)
      return gate.promise
    }
    const published = publisher.publishMany(orderPlaced, list)
    await clock.advance(0)
    for (const gate of gates.toReversed()) gate.open({ routed: true })
    const results = await published
    expect(results.map(({ id }) => id)).toEqual(transport.sent.map(({ message }) => message.id))
  })

  it('resolves to nothing for an empty list', async () => {
    const { publisher } = createBench()
    expect(await publisher.publishMany(orderPlaced, [])).toEqual([])
  })

  it('sends nothing when one is invalid', async () => {
    const { publisher, transport } = createBench()
    const code = await rejectionCode(publisher.publishMany(orderPlaced, [...list, { orderId: '' }]))
    expect(code).toBe('POSTHORN_INVALID_DATA')
    expect(transport.sent).toEqual([])
  })

  it('lists those that were not confirmed, each with its own error', async () => {
    const { publisher, transport } = createBench()
    const error = refusal()
    let sends = 0
    transport.answer = async () => {
      if (sends++ === 1) throw error
      return { routed: true }
    }
    expect(await rejection(publisher.publishMany(orderPlaced, list))).toMatchObject({
      code: 'POSTHORN_PUBLISH_MANY',
      outcome: 'unknown',
      details: { failed: [{ index: 1, error }] },
    })
  })

  it('says notSent only when none was sent', async () => {
    const { publisher, transport } = createBench()
    transport.answer = () => Promise.reject(refusal())
    expect(await rejection(publisher.publishMany(orderPlaced, list))).toMatchObject({ outcome: 'notSent' })
  })

  it('refuses one id for many messages', async () => {
    const { publisher, transport } = createBench()
    const code = await rejectionCode(publisher.publishMany(orderPlaced, list, { id: 'same' } as never))
    expect(code).toBe('POSTHORN_CONFIGURATION')
    expect(transport.sent).toEqual([])
  })
})

describe('building', () => {
  it('fills the envelope from contract, options and clock', async () => {
    const { publisher, transport, clock } = createBench()
    const expiresAt = new Date(clock.now() + 60_000)
    const options = {
      id: 'e-1',
      subject: 's',
      correlationId: 'c',
      causationId: 'a',
      expiresAt,
      dataref: '/blob/1',
      sequence: '7',
      extensions: { tenant: 'acme', retries: 3, test: true },
    }
    await publisher.publish(orderPlaced, { orderId: 'o-1' }, options)
    const [sent] = transport.sent
    expect(envelopeOf(sent!)).toEqual({
      specversion: '1.0',
      id: 'e-1',
      source: '/test',
      type: orderPlaced.type,
      time: new Date(clock.now()).toISOString(),
      dataschema: orderPlaced.dataschema,
      partitionkey: 'o-1',
      subject: 's',
      correlationid: 'c',
      causationid: 'a',
      expirytime: expiresAt.toISOString(),
      dataref: '/blob/1',
      sequence: '7',
      tenant: 'acme',
      retries: 3,
      test: true,
      data: { orderId: 'o-1' },
    })
    expect(sent?.message).toMatchObject({ id: 'e-1', type: orderPlaced.type, partitionKey: 'o-1' })
    expect(sent?.target).toEqual({ destination: 'orders' })
  })

  it('puts the trace into the extension and the hop’s header, and only strings into headers', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const { publisher, transport } = createBench({
      captureTrace: () => ({ traceparent, tracestate: undefined }) as never,
    })
    await publisher.publish(orderPlaced, { orderId: 'o-1' })
    const [sent] = transport.sent
    expect(envelopeOf(sent!).traceparent).toBe(traceparent)
    expect(sent?.message.headers).toEqual({ traceparent })
  })

  it('runs decorators before validation, in order', async () => {
    const { publisher, transport } = createBench({
      decorators: [
        ({ envelope }) => void (envelope['tenant'] = 'first'),
        ({ envelope, headers }) => {
          envelope['tenant'] = `${String(envelope['tenant'])}-second`
          headers['hop'] = 'x'
        },
      ],
    })
    await publisher.publish(orderPlaced, { orderId: 'o-1' })
    expect(envelopeOf(transport.sent[0]!)['tenant']).toBe('first-second')
    expect(transport.sent[0]?.message.headers).toEqual({ hop: 'x' })
  })

  it('validates what decorators made of the envelope', async () => {
    const { publisher, transport } = createBench({ decorators: [({ envelope }) => void (envelope['BAD'] = 'x')] })
    expect(await rejectionCode(publisher.publish(orderPlaced, { orderId: 'o-1' }))).toBe('POSTHORN_INVALID_ENVELOPE')
    expect(transport.sent).toEqual([])
  })

  it('turns whatever user code throws while building into a rejection with a code', async () => {
    const throwing = defineEvent.typed<unknown>()({
      type: 'com.example.throwing.v1',
      destination: 'anything',
      schema: {},
      partitionKey: () => {
        throw new Error('no key')
      },
    })
    const { publisher } = createBench()
    expect(await rejectionCode(publisher.publish(throwing, {}))).toBe('POSTHORN_UNSERIALIZABLE')
    const getter = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error('no value')
      },
    })
    expect(await rejectionCode(publisher.publish(anything, getter))).toBe('POSTHORN_UNSERIALIZABLE')
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
