import type { Delivery } from '@posthorn/core/adapter'
import type { ConsumeMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { incomingOf } from '../src/deliveryReader.js'
import { ReceivedDelivery, contentOf, headerBytesOf, publishOptionsOf } from '../src/messageMapping.js'
import type { Settler } from '../src/messageMapping.js'
import { message } from './broker.js'

function received(properties: object, content: Buffer = Buffer.from('x')): ConsumeMessage {
  return { content, properties, fields: { deliveryTag: 1 } } as ConsumeMessage
}

const readOf = (one: ConsumeMessage): Delivery =>
  new ReceivedDelivery(incomingOf(one), 'orders.billing', { lost: new AbortController().signal, settle() {} })

describe('mapping to RabbitMQ', () => {
  it('makes every message persistent and mandatory, with its headers as they are', () => {
    const headers = { traceparent: '00' }
    expect(publishOptionsOf(message({ id: 'i', type: 't', contentType: 'c', headers }))).toEqual({
      mandatory: true,
      persistent: true,
      messageId: 'i',
      type: 't',
      contentType: 'c',
      headers,
    })
  })

  it('leaves out a type and a content type that are not known', () => {
    const options = publishOptionsOf(message({ type: '', contentType: '' }))
    expect(Object.keys(options).toSorted()).toEqual(['headers', 'mandatory', 'messageId', 'persistent'])
  })

  it('gives headers that an instrumentation of amqplib may write into', () => {
    const headers = Object.freeze({ 'x-hop': '1' })
    const options = publishOptionsOf(message({ headers }))
    Object.assign(options.headers as object, { traceparent: 't' })
    expect([options.headers, headers]).toEqual([{ 'x-hop': '1', traceparent: 't' }, { 'x-hop': '1' }])
  })

  it('takes the bytes without a copy, and no body as an empty one', () => {
    const bytes = Uint8Array.from([0, 1, 2, 3, 4]).subarray(1, 3)
    const content = contentOf(message({ body: bytes }))
    expect([...content]).toEqual([1, 2])
    expect(content.buffer).toBe(bytes.buffer)
    expect(contentOf(message({ body: null }))).toHaveLength(0)
  })

  it('counts headers as AMQP encodes them', () => {
    expect(headerBytesOf({})).toBe(4)
    expect(headerBytesOf({ ab: 'ä' })).toBe(4 + 1 + 2 + 1 + 4 + 2)
  })
})

describe('mapping from RabbitMQ', () => {
  it('keeps scalar headers as strings in an object without a prototype', () => {
    const headers = { a: 'b', n: 1.5, t: true, bytes: Buffer.from('ü'), table: { x: 1 }, list: [1], nothing: null }
    const facts = readOf(received({ headers }))
    expect({ ...facts.headers }).toEqual({ a: 'b', n: '1.5', t: 'true', bytes: 'ü' })
    expect(Object.getPrototypeOf(facts.headers)).toBeNull()
  })

  it('writes a timestamp as CloudEvents do, and one beyond all dates as its number', () => {
    const headers = { time: { '!': 'timestamp', value: 1_795_259_141 }, far: { '!': 'timestamp', value: 2 ** 60 } }
    const facts = readOf(received({ headers }))
    expect({ ...facts.headers }).toEqual({ time: '2026-11-21T11:05:41.000Z', far: String(2 ** 60) })
  })

  it('takes text out of the section that an AMQP 1.0 client put it in', () => {
    const content = Buffer.from([0x00, 0x53, 0x77, 0xa1, 2, 0x7b, 0x7d])
    expect(Buffer.from(readOf(received({ type: 'amqp-1.0' }, content)).body ?? []).toString()).toBe('{}')
  })

  it('sees own headers only: amqplib decodes __proto__ into the prototype', () => {
    const facts = readOf(received({ headers: Object.create({ 'posthorn-attempt': '9' }) as object }))
    expect(Object.keys(facts.headers)).toEqual([])
  })

  it('keeps what the reader of dead letters needs of the broker’s own ones', () => {
    const headers = { 'x-first-death-reason': 'expired', 'x-first-death-queue': 'q', 'x-death': [{ count: 1 }] }
    expect({ ...readOf(received({ headers })).headers }).toEqual({
      'x-first-death-reason': 'expired',
      'x-first-death-queue': 'q',
    })
  })

  it.each([
    [undefined, 0],
    [3, 3],
    ['3', 3],
    [-1, 0],
    ['many', 0],
  ])('reads the delivery count %j as %d', (count, redeliveries) => {
    expect(readOf(received({ headers: { 'x-delivery-count': count } })).brokerRedeliveries).toBe(redeliveries)
  })

  it('is lost with its channel, as all that came on it, settled or not', () => {
    const channel = new AbortController()
    const settlements: string[] = []
    const settler: Settler = { lost: channel.signal, settle: (_, how) => settlements.push(how) }
    const [done, open] = [1, 2].map(() => new ReceivedDelivery(incomingOf(received({})), 'orders.billing', settler))
    done!.complete()
    done!.release()
    expect([done!.lost.aborted, open!.lost]).toEqual([false, done!.lost])
    channel.abort()
    expect([done!.lost.aborted, open!.lost.aborted]).toEqual([true, true])
    open!.release()
    expect(settlements).toEqual(['complete', 'release'])
  })

  it('takes whatever any client wrote: no headers, no id, no content type', () => {
    const facts = readOf(received({ headers: undefined, messageId: '', contentType: undefined }, Buffer.alloc(0)))
    expect(facts).toMatchObject({ contentType: '', brokerRedeliveries: 0 })
    expect(facts.id).toBeUndefined()
    expect(facts.body).toHaveLength(0)
  })
})
