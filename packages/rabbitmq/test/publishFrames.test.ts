import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { WireMessage } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { contentOf, publishOptionsOf } from '../src/messageMapping.js'
import type { Address } from '../src/topologyMap.js'
import { maxPublishBytes, writePublish } from '../src/publishFrames.js'
import { message } from './broker.js'

/** amqplib's own encoders, past its list of exports: what it would have written. */
interface AmqplibCodec {
  readonly BasicPublish: number
  readonly BasicProperties: number
  encodeMethod(id: number, channel: number, fields: object): Buffer
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer
}

const require = createRequire(import.meta.url)
const library = join(dirname(require.resolve('amqplib')), 'lib')
const defs = require(join(library, 'defs.js')) as AmqplibCodec
const { makeBodyFrame } = require(join(library, 'frame.js')) as {
  makeBodyFrame(channel: number, payload: Buffer): Buffer
}

const frameMax = 8_192

function byAmqplib(one: WireMessage, { exchange, routingKey }: Address, channel: number): Buffer {
  const { headers, persistent: _persistent, ...properties } = publishOptionsOf(one)
  const fields = { exchange, routingKey, mandatory: true }
  const table = Object.keys(headers ?? {}).length === 0 ? {} : { headers }
  const body = contentOf(one)
  const frames = [
    defs.encodeMethod(defs.BasicPublish, channel, fields),
    defs.encodeProperties(defs.BasicProperties, channel, body.length, { ...properties, ...table, deliveryMode: 2 }),
  ]
  const most = frameMax - 8
  for (let at = 0; at < body.length; at += most) frames.push(makeBodyFrame(channel, body.subarray(at, at + most)))
  return Buffer.concat(frames)
}

function byUs(one: WireMessage, address: Address, channel: number): Buffer {
  const most = maxPublishBytes(one, address, frameMax)
  const buffer = Buffer.alloc(most + 10)
  const end = writePublish({ buffer, channel, frameMax }, 5, one, address)
  expect(end - 5).toBeLessThanOrEqual(most)
  return buffer.subarray(5, end)
}

const address = { exchange: 'orders', routingKey: 'com.example.placed.v1' }
const manyHeaders = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`h-${index}`, 'ä'.repeat(index * 20)]))

describe('the frames of a publish', () => {
  it.each<[string, Partial<WireMessage>, Address, number]>([
    ['a small event', {}, address, 1],
    ['no content type and no type', { contentType: '', type: '' }, address, 2],
    ['headers', { headers: { 'posthorn-attempt': '2', traceparent: '00-abc', empty: '' } }, address, 1],
    ['many headers, not ASCII', { headers: manyHeaders }, address, 1],
    ['an empty body', { body: Buffer.alloc(0) }, address, 1],
    ['no body', { body: null }, address, 1],
    ['a body of exactly one frame', { body: Buffer.alloc(frameMax - 8, 'x') }, address, 1],
    ['a body of one octet more', { body: Buffer.alloc(frameMax - 7, 'x') }, address, 1],
    ['a body of many frames', { body: Buffer.alloc(100_000, 'y') }, address, 65_535],
    ['the default exchange', {}, { exchange: '', routingKey: 'orders.billing.retry.5000' }, 300],
    ['names that are not ASCII', { id: '🐘-1', type: 'größe.v1' }, { exchange: 'große', routingKey: 'größe.v1' }, 1],
    ['names of the greatest length', { id: 'i'.repeat(255), type: 't'.repeat(255) }, address, 1],
    ['a view into a larger array', { body: new Uint8Array(Buffer.from('--body--')).subarray(2, 6) }, address, 1],
  ])('are those of amqplib: %s', (_what, fields, to, channel) => {
    const one = message({ id: 'id-1', ...fields })
    expect(byUs(one, to, channel)).toEqual(byAmqplib(one, to, channel))
  })

  it('are refused where a name is too long for AMQP', () => {
    const one = message({ headers: { ['n'.repeat(256)]: 'v' } })
    const buffer = Buffer.alloc(maxPublishBytes(one, address, frameMax))
    expect(() => writePublish({ buffer, channel: 1, frameMax }, 0, one, address)).toThrow(RangeError)
  })
})
