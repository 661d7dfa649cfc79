import { describe, expect, it } from 'vitest'
import { on } from '../../src/index.js'
import type { ConsumerOptions } from '../../src/index.js'
import { createFakeTransport } from '../fakeTransport.js'
import { anything, headersOf, messageOf, orderPaid, orderPlaced, startConsumer } from '../fixtures.js'

describe('what arrives', () => {
  const options: ConsumerOptions = { handlers: [on(orderPlaced, () => {})] }

  it('is skipped and counted when the group does not handle its type', async () => {
    const running = await startConsumer(options)
    const delivery = running.order('o-1', { contract: orderPaid })
    await running.settle()
    expect(delivery.ends).toEqual(['complete'])
    expect(running.transport.sent).toEqual([])
    expect(running.consumer.health()).toMatchObject({ skipped: 1, handled: 0 })
  })

  it('is dead-lettered with unhandledTypes deadLetter, and every type is asked for', async () => {
    const running = await startConsumer({ ...options, unhandledTypes: 'deadLetter' })
    running.order('o-1', { contract: orderPaid })
    await running.settle()
    expect(running.transport.subscriptions[0]?.subscription.types).toBe('all')
    expect(running.transport.sentTo('dead')[0]?.message.headers).toMatchObject({
      'posthorn-reason': 'unhandledType',
      'posthorn-attempt': '0',
    })
  })

  const json = 'application/cloudevents+json'
  const envelope = (data: unknown): object => ({
    specversion: '1.0',
    id: 'bad',
    source: '/x',
    type: orderPlaced.type,
    data,
  })
  const deep = (levels: number): unknown => {
    let value: unknown = {}
    for (let level = 1; level < levels; level += 1) value = { a: value }
    return value
  }
  const unusable: Readonly<Record<string, { body: Uint8Array | null; contentType?: string; reason: string }>> = {
    'no JSON': { body: Buffer.from('{"a"'), reason: 'undecodable' },
    'no UTF-8': { body: Buffer.from([0x7b, 0xff, 0x7d]), reason: 'undecodable' },
    'too large': { body: Buffer.alloc(1_048_577, 0x20), reason: 'undecodable' },
    'too deep': { body: Buffer.from(JSON.stringify(envelope(deep(65)))), reason: 'undecodable' },
    __proto__: { body: Buffer.from(`{"data":{"__proto__":{}}}`), reason: 'undecodable' },
    'no body': { body: null, reason: 'undecodable' },
    'no object': { body: Buffer.from('[1]'), reason: 'undecodable' },
    'no id': { body: Buffer.from('{"specversion":"1.0","source":"/x","type":"t"}'), reason: 'invalid' },
    'invalid data': { body: Buffer.from(JSON.stringify(envelope({ orderId: 7 }))), reason: 'invalid' },
    foreign: { body: Buffer.from('hello'), contentType: 'text/plain', reason: 'foreign' },
    'a foreign null': { body: null, contentType: '', reason: 'foreign' },
  }
  for (const [what, { body, contentType = json, reason }] of Object.entries(unusable)) {
    it(`is dead-lettered with its original bytes, and its neighbours are handled: ${what}`, async () => {
      const running = await startConsumer(options)
      const before = running.order('before')
      const delivery = running.transport.deliver({ id: 'bad', body, contentType })
      const after = running.order('after')
      await running.settle()
      expect([before, delivery, after].map(({ ends }) => ends)).toEqual([['complete'], ['complete'], ['complete']])
      const [dead] = running.transport.sentTo('dead')
      expect(dead?.message.body).toBe(body)
      expect(dead?.message.contentType).toBe(contentType)
      expect(dead?.message.headers).toMatchObject({ 'posthorn-reason': reason, 'posthorn-attempt': '0' })
      expect(running.consumer.health()).toMatchObject({ handled: 2, deadLettered: 1 })
    })
  }

  it('has its issues in the dead letter, with pointers and without data', async () => {
    const running = await startConsumer(options)
    running.transport.deliver(messageOf(orderPlaced, { orderId: 4711 }))
    await running.settle()
    const issues = JSON.parse(running.transport.sentTo('dead')[0]!.message.headers['posthorn-issues']!) as unknown
    expect(issues).toEqual([{ pointer: '/data/orderId', keyword: 'type', message: 'must be string' }])
  })

  it('may be null: an event whose data is null reaches its handler as it was published', async () => {
    const seen: unknown[] = []
    const running = await startConsumer({ handlers: [on(anything, ({ data }) => void seen.push(data))] })
    await running.service.publish(anything, null)
    const [sent] = running.transport.sent
    running.transport.deliver({ body: sent!.message.body, contentType: sent!.message.contentType })
    await running.settle()
    expect(seen).toEqual([null])
  })

  it('is put aside as a crash loop above maxCrashes, where the transport counts', async () => {
    const running = await startConsumer({ ...options, maxCrashes: 3 })
    running.order('ok', { brokerRedeliveries: 3 })
    running.order('loop', { brokerRedeliveries: 4 })
    await running.settle()
    expect(
      running.transport.sentTo('dead').map(({ message }) => [message.id, message.headers['posthorn-reason']]),
    ).toEqual([['loop', 'crashLoop']])
  })

  it('is not put aside for redeliveries of a transport that does not count crashes', async () => {
    const transport = createFakeTransport({ countsRedeliveries: false })
    const running = await startConsumer(options, { transport })
    running.order('ok', { brokerRedeliveries: 50 })
    await running.settle()
    expect(running.consumer.health().handled).toBe(1)
  })

  it('is handled all the same with validation warn or off', async () => {
    for (const validation of ['warn', 'off'] as const) {
      const running = await startConsumer({ ...options, validation })
      running.transport.deliver(messageOf(orderPlaced, { orderId: 7 }))
      await running.settle()
      expect(running.consumer.health().handled).toBe(1)
      const events = running.logger.records.map(({ facts }) => facts['event'])
      expect(events.includes('consume.invalid')).toBe(validation === 'warn')
    }
  })

  it('with an invalid envelope is dead-lettered whatever validation says', async () => {
    const running = await startConsumer({ ...options, validation: 'off' })
    running.order('o-1', { attributes: { time: 'yesterday' } })
    await running.settle()
    expect(running.transport.sentTo('dead')[0]?.message.headers['posthorn-reason']).toBe('invalid')
  })

  it('foreign is skipped, adopted or dead-lettered as foreign says', async () => {
    const text = { body: Buffer.from('o-9'), contentType: 'text/plain', headers: headersOf({ tenant: 'acme' }) }
    const skipping = await startConsumer({ ...options, foreign: 'skip' })
    const skipped = skipping.transport.deliver(text)
    await skipping.settle()
    expect(skipped.ends).toEqual(['complete'])
    expect(skipping.consumer.health().skipped).toBe(1)

    const seen: unknown[] = []
    const adopting = await startConsumer({
      handlers: [on(orderPlaced, ({ data, envelope }) => void seen.push(data, envelope.id))],
      foreign: ({ body, contentType }) =>
        contentType === 'text/plain'
          ? {
              specversion: '1.0',
              id: 'a-1',
              source: '/legacy',
              type: orderPlaced.type,
              data: { orderId: Buffer.from(body!).toString() },
            }
          : undefined,
    })
    adopting.transport.deliver(text)
    adopting.transport.deliver({ ...text, contentType: 'text/html' })
    await adopting.settle()
    expect(seen).toEqual([{ orderId: 'o-9' }, 'a-1'])
    expect(adopting.transport.sentTo('dead')[0]?.message.headers['posthorn-reason']).toBe('foreign')
  })

  it('is dead-lettered when an adopt function throws or gives nonsense', async () => {
    for (const foreign of [
      () => {
        throw new Error('odd')
      },
      () => ({ nonsense: true }) as never,
      () => Promise.resolve(undefined) as never,
    ]) {
      const running = await startConsumer({ ...options, foreign })
      const delivery = running.transport.deliver({ body: Buffer.from('x'), contentType: 'text/plain' })
      await running.settle()
      expect(delivery.ends).toEqual(['complete'])
      expect(running.transport.sentTo('dead')).toHaveLength(1)
    }
  })

  it('is never lost to a wire format that gives nothing back', async () => {
    const running = await startConsumer(options, {
      wireFormat: { read: () => undefined as never, write: () => ({ body: null, contentType: '', headers: {} }) },
    })
    running.transport.deliver({ body: Buffer.from('x'), contentType: 'text/plain' })
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ skipped: 0, deadLettered: 1 })
  })
})
