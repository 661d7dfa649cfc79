import { describe, expect, it } from 'vitest'
import { on, plainJson } from '../../src/index.js'
import type { Envelope, PlainJsonOptions, RawMessage, WireContext } from '../../src/index.js'
import { envelopeOf, headersOf, orderPlaced, startConsumer } from '../fixtures.js'
import { thrownCode } from '../rejections.js'

const context: WireContext = { limits: { maxBodyBytes: 200, maxDepth: 3 }, binaryPrefix: 'ce_' }
const base: Envelope = { specversion: '1.0', id: 'e-1', source: '/shop', type: 't' }
const attributes: PlainJsonOptions['attributes'] = (data) => ({
  id: (data as { id: string }).id,
  source: '/legacy',
  type: 'legacy.v1',
})
const format = plainJson({ attributes })
const raw = (body: string | null, contentType = 'application/json'): RawMessage => ({
  body: body === null ? null : Buffer.from(body),
  contentType,
  headers: headersOf({ tenant: 'acme' }),
})

describe('plain JSON', () => {
  it('is written as the data and nothing else', () => {
    const envelope = { ...base, subject: 's', partitionkey: 'k', data: { id: '7' } }
    const written = format.write(envelope, context)
    expect(written).toMatchObject({ contentType: 'application/json', headers: {} })
    expect(Buffer.from(written.body!).toString()).toBe('{"id":"7"}')
  })

  it('is read into an envelope whose attributes a function names', () => {
    const expected = { specversion: '1.0', id: '7', source: '/legacy', type: 'legacy.v1', data: { id: '7' } }
    for (const contentType of ['application/json', '', 'text/json', 'application/vnd.x+json; charset=utf-8']) {
      expect(format.read(raw('{"id":"7"}', contentType), context)).toEqual(expected)
    }
  })

  it('shows the function the data and the message', () => {
    const seen: unknown[] = []
    const watching = plainJson({ attributes: (...given) => void seen.push(...given) as undefined })
    const message = raw('[1]')
    expect(watching.read(message, context)).toBe('foreign')
    expect(seen).toEqual([[1], message])
  })

  it('lets the function say neither data nor the version', () => {
    const sly = plainJson({ attributes: () => ({ id: '1', source: '/s', type: 't', specversion: '9', data: 'other' }) })
    expect(sly.read(raw('7'), context)).toMatchObject({ specversion: '1.0', data: 7 })
  })

  it('comes back as it was', () => {
    for (const data of [null, 0, '', false, [], { id: 'ü' }]) {
      const simple = plainJson({ attributes: () => ({ id: '1', source: '/s', type: 't' }) })
      const read = simple.read(simple.write({ ...base, data }, context), context)
      expect((read as Envelope).data).toEqual(data)
    }
  })

  it('is foreign without a body, and in another media type', () => {
    expect(format.read(raw(null), context)).toBe('foreign')
    for (const contentType of ['text/plain', 'application/cloudevents', 'application/octet-stream', 'jsonish']) {
      expect(format.read(raw('{}', contentType), context)).toBe('foreign')
    }
  })

  it('is refused when it is damaged', () => {
    for (const body of ['', '{', '{"__proto__":1}', '"\ud800', `[[[[1]]]]`, `"${'x'.repeat(300)}"`]) {
      const code = thrownCode(() => format.read(raw(body), context))
      expect(code).toMatch(/^POSTHORN_(UNDECODABLE|FORBIDDEN_KEY|TOO_DEEP|TOO_LARGE)$/)
    }
  })

  it('is not written when it could not be read: without data, too large, too deep', () => {
    const write = (data: unknown) => (): unknown => format.write(data === undefined ? base : { ...base, data }, context)
    expect(thrownCode(write(undefined))).toBe('POSTHORN_UNSERIALIZABLE')
    expect(thrownCode(write('x'.repeat(200)))).toBe('POSTHORN_TOO_LARGE')
    expect(thrownCode(write([[[[]]]]))).toBe('POSTHORN_TOO_DEEP')
    expect(write([[[]]])).not.toThrow()
  })
})

describe('a destination with plain JSON', () => {
  const service = {
    wireFormats: { orders: plainJson({ attributes: () => ({ id: 'p-1', source: '/s', type: orderPlaced.type }) }) },
  }

  it('carries plain data both ways, and keeps the rest of the service as it is', async () => {
    const seen: unknown[] = []
    const running = await startConsumer({ handlers: [on(orderPlaced, ({ data }) => void seen.push(data))] }, service)
    await running.service.publish(orderPlaced, { orderId: 'o-1' }, { id: 'e-1' })
    const { message } = running.transport.sent[0]!
    expect(envelopeOf({ message })).toEqual({ orderId: 'o-1' })
    expect(message).toMatchObject({ id: 'e-1', type: orderPlaced.type, partitionKey: 'o-1' })
    running.transport.deliver({ body: message.body, contentType: message.contentType })
    await running.settle()
    expect(seen).toEqual([{ orderId: 'o-1' }])
  })

  it('dead-letters what its function cannot name, or names wrongly, in the original bytes', async () => {
    const functions: PlainJsonOptions['attributes'][] = [
      () => {
        throw new Error('odd')
      },
      () => ({ id: '', source: '/s', type: 't' }),
      () => 7 as never,
      () => Promise.resolve({ id: '1', source: '/s', type: 't' }) as never,
    ]
    for (const attributesOf of functions) {
      const formats = { wireFormats: { orders: plainJson({ attributes: attributesOf }) } }
      const running = await startConsumer({ handlers: [on(orderPlaced, () => {})] }, formats)
      const delivery = running.transport.deliver(raw('{"orderId":"o-1"}'))
      await running.settle()
      expect(running.transport.sentTo('dead')[0]?.message.body).toBe(delivery.body)
      expect(delivery.ends).toEqual(['complete'])
    }
  })
})
