import { describe, expect, it } from 'vitest'
import { defineEvent } from '../../src/index.js'
import type { PublishResult } from '../../src/index.js'
import { anything, envelopeOf, orderPlaced } from '../fixtures.js'
import { rejection, rejectionCode } from '../rejections.js'
import { createBench } from '../publisherBench.js'

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

  it('of what is no contract are refused as a mistake of the caller, with a hint', async () => {
    const { publisher, transport } = createBench()
    const definition = { type: 'com.example.v1', destination: 'orders', schema: {} }
    for (const contract of [undefined, null, {}, 'orders', definition]) {
      expect(await rejectionCode(publisher.publish(contract as never, {} as never))).toBe('POSTHORN_CONFIGURATION')
    }
    expect(transport.sent).toEqual([])
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

  it('leaves out headers that say something of another message, so that a handler can hand its own on', async () => {
    const own = { tenant: 'acme', 'x-request-id': 'r-1', certificate: 'x' }
    const others = [
      'posthorn-attempt',
      'posthorn-not-before',
      'Posthorn-Wire',
      'ce_expirytime',
      'ce-id',
      'cloudEvents_subject',
      'cloudEvents:sequence',
      'x-death',
      'x-first-death-reason',
      'x-last-death-queue',
      'x-delivery-count',
      'x-acquired-count',
    ]
    const { publisher, transport } = createBench()
    const headers = { ...own, ...Object.fromEntries(others.map((name) => [name, '7'])) }
    await publisher.publish(orderPlaced, { orderId: 'o-1' }, { headers })
    expect(transport.sent[0]?.message.headers).toStrictEqual(own)
  })

  it('puts the trace into the extension and the hop’s header, and only strings into headers', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const { publisher, transport } = createBench({
      captureTrace: () => ({ traceparent, tracestate: undefined }) as never,
    })
    await publisher.publish(orderPlaced, { orderId: 'o-1' })
    const [sent] = transport.sent
    expect(envelopeOf(sent!).traceparent).toBe(traceparent)
    expect(sent?.message.headers).toStrictEqual({ traceparent })
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

  it('takes extensions that are undefined for not given', async () => {
    const { publisher, transport } = createBench()
    await publisher.publish(orderPlaced, { orderId: 'o-1' }, { extensions: { tenant: undefined, test: true } } as never)
    expect(envelopeOf(transport.sent[0]!)).toMatchObject({ test: true })
  })

  it('refuses what decorators made of the headers when it is no text', async () => {
    const { publisher, transport } = createBench({ decorators: [({ headers }) => void (headers['n'] = 7 as never)] })
    await publisher.publish(orderPlaced, { orderId: 'o-1' }).catch(() => {})
    const values = transport.sent.flatMap(({ message }) => Object.values(message.headers))
    expect(values.filter((value) => typeof value !== 'string')).toEqual([])
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
