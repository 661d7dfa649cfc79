import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Channel, ConsumeMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { incomingOf, readDeliveries } from '../src/deliveryReader.js'
import type { IncomingMessage } from '../src/deliveryReader.js'

/** amqplib's own encoders and reader, past its list of exports: what a broker would send, and who reads it. */
interface Amqplib {
  readonly BasicDeliver: number
  readonly BasicCancel: number
  readonly BasicProperties: number
  encodeMethod(id: number, channel: number, fields: object): Buffer
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer
}

const require = createRequire(import.meta.url)
const library = join(dirname(require.resolve('amqplib')), 'lib')
const defs = require(join(library, 'defs.js')) as Amqplib
const { makeBodyFrame } = require(join(library, 'frame.js')) as {
  makeBodyFrame(channel: number, payload: Buffer): Buffer
}
const { Connection } = require(join(library, 'connection.js')) as {
  Connection: new (stream: PassThroughLike) => FakeConnection
}
const { PassThrough } = require('node:stream') as { PassThrough: new () => PassThroughLike }
const { acceptMessage } = require(join(library, 'channel.js')) as {
  acceptMessage(done: (message: ConsumeMessage) => void): Step
}

type PassThroughLike = NodeJS.ReadWriteStream
type Step = (frame: unknown) => Step
interface FakeConnection {
  readonly channels: (object | null)[]
  recvFrame(): { readonly id?: number; readonly channel: number; readonly fields?: object } | false
  rest: Buffer
  recvSinceLastCheck: boolean
}

const properties = { contentType: 'application/json', messageId: 'id-1', type: 'placed.v1', deliveryMode: 2 }

function delivery(tag: number, body: Buffer, fields: object = properties, bodyFrames: number = 1, channel = 1): Buffer {
  const method = { consumerTag: 'ctag', deliveryTag: tag, redelivered: false, exchange: 'orders', routingKey: 'placed' }
  const frames = [
    defs.encodeMethod(defs.BasicDeliver, channel, method),
    defs.encodeProperties(defs.BasicProperties, channel, body.length, fields),
  ]
  const step = Math.ceil(body.length / bodyFrames)
  for (let at = 0; at < body.length; at += step) frames.push(makeBodyFrame(channel, body.subarray(at, at + step)))
  return Buffer.concat(frames)
}

/** Reads chunks as amqplib does, with or without us, and notes every message with who read it. */
function readAll(
  chunks: readonly Buffer[],
  fast: boolean,
): { tag: number; body: string; properties: object; by: string }[] {
  const stream = new PassThrough()
  const connection = new Connection(stream)
  const found: { tag: number; body: string; properties: object; by: string }[] = []
  const note =
    (by: string) =>
    ({ content, deliveryTag, contentType, messageId, type, headers }: IncomingMessage): void => {
      const shown = { contentType, messageId, type, headers: { ...headers } }
      found.push({ tag: deliveryTag, body: content.toString(), properties: shown, by })
    }
  if (fast) readDeliveries({ ch: 1, connection } as unknown as Channel, note('us'))
  let step: Step | undefined
  for (const chunk of chunks) {
    stream.write(chunk)
    for (let frame = connection.recvFrame(); frame !== false; frame = connection.recvFrame()) {
      if (frame.id === defs.BasicDeliver) {
        const { fields } = frame as unknown as Pick<ConsumeMessage, 'fields'>
        step = acceptMessage((message) => note('amqplib')(incomingOf({ ...message, fields })))
      } else if (frame.id !== defs.BasicCancel) step = step?.(frame)
    }
  }
  return found
}

const tags = (list: readonly { readonly tag: number }[]): number[] => list.map(({ tag }) => tag)
const withoutReader = (list: readonly { readonly by: string }[]): object[] => list.map(({ by: _by, ...rest }) => rest)

const insides = {
  rest: Buffer.alloc(0),
  maxFrameSize: 1,
  channels: [],
  recvSinceLastCheck: false,
  stream: { read: (): null => null },
  recvFrame: (): boolean => false,
}

const many = Array.from({ length: 40 }, (_, index) => delivery(index + 1, Buffer.from(`{"n":${index},"t":"ü"}`)))

describe('reading deliveries', () => {
  it('finds whole ones in one go', () => {
    const found = readAll([Buffer.concat(many)], true)
    expect(found.every(({ by }) => by === 'us')).toBe(true)
    expect(withoutReader(found)).toEqual(withoutReader(readAll([Buffer.concat(many)], false)))
  })

  it('gives the same messages in the same order wherever the bytes are cut', () => {
    const bytes = Buffer.concat(many.slice(0, 3))
    const expected = withoutReader(readAll([bytes], false))
    for (let at = 1; at < bytes.length; at += 1) {
      expect(withoutReader(readAll([bytes.subarray(0, at), bytes.subarray(at)], true))).toEqual(expected)
    }
    const crumbs = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1))
    expect(withoutReader(readAll(crumbs, true))).toEqual(expected)
  })

  it('joins what a read tears, small or large, to the next read', () => {
    const bodies = [1_000, 6_000, 500, 3_000, 9_000, 1_000].map((size) => Buffer.alloc(size, 'x'))
    const bytes = Buffer.concat(bodies.map((body, index) => delivery(index + 1, body)))
    const expected = withoutReader(readAll([bytes], false))
    for (let at = 1; at < bytes.length; at += 97) {
      const found = readAll([bytes.subarray(0, at), bytes.subarray(at)], true)
      expect(withoutReader(found)).toEqual(expected)
      expect(found.filter(({ by }) => by === 'amqplib').length).toBeLessThanOrEqual(1)
    }
  })

  it('tells the heartbeat of what it reads', () => {
    const stream = new PassThrough()
    const connection = new Connection(stream)
    const seen: number[] = []
    readDeliveries({ ch: 1, connection } as unknown as Channel, ({ deliveryTag }) => void seen.push(deliveryTag))
    stream.write(many[0]!)
    expect([connection.recvFrame(), connection.recvSinceLastCheck, seen]).toEqual([false, true, [1]])
  })

  it.each<[string, Buffer, string]>([
    ['an empty body', delivery(1, Buffer.alloc(0)), 'us'],
    ['headers of strings', delivery(1, Buffer.from('{}'), { ...properties, headers: { a: 'b', ü: 'ß' } }), 'us'],
    ['a traceparent alone', delivery(1, Buffer.from('{}'), { ...properties, headers: { traceparent: '00-ü' } }), 'us'],
    ['a traceparent before another', delivery(1, Buffer.from('{}'), { headers: { traceparent: '00', a: 'b' } }), 'us'],
    ['a traceparent after another', delivery(1, Buffer.from('{}'), { headers: { a: 'b', traceparent: '00' } }), 'us'],
    ['an empty traceparent', delivery(1, Buffer.from('{}'), { ...properties, headers: { traceparent: '' } }), 'us'],
    ['a traceparent that is no text', delivery(1, Buffer.from('{}'), { headers: { traceparent: 1 } }), 'amqplib'],
    ['no properties', delivery(1, Buffer.from('{}'), {}), 'us'],
    ['an empty table', delivery(1, Buffer.from('{}'), { ...properties, headers: {} }), 'us'],
    ['a counter of redeliveries', delivery(1, Buffer.from('{}'), { headers: { 'x-delivery-count': 3 } }), 'amqplib'],
    ['a nested table', delivery(1, Buffer.from('{}'), { headers: { a: 'b', 'x-death': [{ count: 1 }] } }), 'amqplib'],
    ['other properties', delivery(1, Buffer.from('{}'), { ...properties, correlationId: 'c', priority: 3 }), 'amqplib'],
    ['a body in several frames', delivery(1, Buffer.alloc(30_000, 'x'), properties, 3), 'amqplib'],
    ['a large delivery tag', delivery(2 ** 40 + 5, Buffer.from('{}')), 'us'],
  ])('says the same of %s as amqplib', (_what, bytes, by) => {
    const found = readAll([bytes], true)
    expect(found.map((one) => one.by)).toEqual([by])
    expect(withoutReader(found)).toEqual(withoutReader(readAll([bytes], false)))
  })

  it.each([{ traceparent: '00' }, { a: 'b' }, { traceparent: '00', a: 'b' }])(
    'gives the headers %o in an object without a prototype',
    (headers) => {
      const stream = new PassThrough()
      const connection = new Connection(stream)
      const found: IncomingMessage[] = []
      readDeliveries({ ch: 1, connection } as unknown as Channel, (message) => found.push(message))
      stream.write(delivery(1, Buffer.from('{}'), { ...properties, headers }))
      connection.recvFrame()
      expect(found.map(({ texts }) => texts)).toEqual([headers])
      expect(Object.getPrototypeOf(found[0]!.texts)).toBeNull()
    },
  )

  it('keeps the order when only some are left to amqplib', () => {
    const large = delivery(2, Buffer.alloc(20_000, 'y'), properties, 2)
    const cancel = defs.encodeMethod(defs.BasicCancel, 1, { consumerTag: 'ctag', nowait: true })
    const counted = delivery(4, Buffer.from('{}'), { headers: { 'x-delivery-count': 1 } })
    const all = [many[0]!, large, cancel, delivery(3, Buffer.from('{}')), counted, delivery(5, Buffer.from('{}'))]
    expect(tags(readAll([Buffer.concat(all)], true))).toEqual([1, 2, 3, 4, 5])
  })

  it('does not touch the deliveries of other channels, nor its own once it has ended', () => {
    const other = delivery(1, Buffer.from('{}'), properties, 1, 7)
    expect(readAll([other], true).map(({ by }) => by)).toEqual(['amqplib'])
    const stream = new PassThrough()
    const connection = new Connection(stream)
    const stop = readDeliveries({ ch: 1, connection } as unknown as Channel, () => expect.unreachable('it has ended'))
    connection.channels[1] = {}
    stop?.()
    stream.write(many[0]!)
    expect(connection.recvFrame()).toMatchObject({ id: defs.BasicDeliver })
  })

  it('leaves out what comes for its channel after that is closed, wherever the bytes are cut', () => {
    const counted = delivery(2, Buffer.from('{}'), { headers: { 'x-acquired-count': 1 } })
    const large = delivery(3, Buffer.alloc(20_000, 'y'), properties, 2)
    const late = Buffer.concat([many[0]!, counted, large])
    const other = delivery(1, Buffer.from('{}'), properties, 1, 7)
    const cuts = Array.from({ length: late.length }, (_, at) => at).filter((at) => at < 400 || at % 997 === 0)
    for (const at of cuts) {
      const stream = new PassThrough()
      const connection = new Connection(stream)
      const stop = readDeliveries({ ch: 1, connection } as unknown as Channel, () => expect.unreachable('it is closed'))
      connection.channels[1] = null
      stop?.()
      stream.write(late.subarray(0, at))
      expect(connection.recvFrame()).toBe(false)
      stream.write(Buffer.concat([late.subarray(at), other]))
      expect(connection.recvFrame()).toMatchObject({ id: defs.BasicDeliver, channel: 7 })
    }
  })

  it.each([
    ['channel', { connection: insides }],
    ['connection', { ch: 1 }],
    ['buffer', { ch: 1, connection: { ...insides, rest: undefined } }],
    ['channels', { ch: 1, connection: { ...insides, channels: undefined } }],
    ['limit', { ch: 1, connection: { ...insides, maxFrameSize: undefined } }],
    ['heartbeat', { ch: 1, connection: { ...insides, recvSinceLastCheck: undefined } }],
    ['stream', { ch: 1, connection: { ...insides, stream: undefined } }],
    ['reader', { ch: 1, connection: { ...insides, recvFrame: undefined } }],
  ])('is not there when amqplib shows no %s', (_what, channel) => {
    expect(readDeliveries(channel as unknown as Channel, () => {})).toBeUndefined()
  })
})
