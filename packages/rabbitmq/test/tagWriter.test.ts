import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Channel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { directTagWriter } from '../src/tagWriter.js'

const require = createRequire(import.meta.url)
/** amqplib's own encoder, past its list of exports. */
const defs = require(join(dirname(require.resolve('amqplib')), 'lib', 'defs.js')) as {
  readonly BasicAck: number
  readonly BasicNack: number
  encodeMethod(id: number, channel: number, fields: object): Buffer
}

function channelWith(ch = 1): { channel: Channel; stream: PassThrough; connection: { sentSinceLastCheck: boolean } } {
  const stream = new PassThrough()
  const connection = { stream, sentSinceLastCheck: false }
  return { channel: { ch, connection } as unknown as Channel, stream, connection }
}

describe('settling past amqplib', () => {
  it.each([1, 300, 65_535])('writes on channel %d the bytes that amqplib would', (ch) => {
    const { channel, stream, connection } = channelWith(ch)
    const writer = directTagWriter(channel)
    const tags = [1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7]
    for (const tag of tags) {
      writer?.ack(tag, false)
      writer?.ack(tag, true)
      writer?.nack(tag)
    }
    expect([stream.read(), connection.sentSinceLastCheck]).toEqual([null, false])
    writer?.flush()
    const expected = tags.flatMap((deliveryTag) => [
      defs.encodeMethod(defs.BasicAck, ch, { deliveryTag, multiple: false }),
      defs.encodeMethod(defs.BasicAck, ch, { deliveryTag, multiple: true }),
      defs.encodeMethod(defs.BasicNack, ch, { deliveryTag, multiple: false, requeue: true }),
    ])
    expect(stream.read()).toEqual(Buffer.concat(expected))
    expect(connection.sentSinceLastCheck).toBe(true)
  })

  it('writes each settlement once, and nothing to a socket that is gone or ended', () => {
    const { channel, stream } = channelWith()
    const writer = directTagWriter(channel)
    writer?.ack(1, true)
    writer?.flush()
    writer?.flush()
    expect((stream.read() as Buffer).length).toBe(21)
    stream.on('error', () => expect.unreachable('nothing is written after the end'))
    stream.end()
    writer?.ack(2, true)
    writer?.flush()
    stream.destroy()
    writer?.ack(3, true)
    writer?.flush()
  })

  it.each([
    ['number', { connection: channelWith().connection }],
    ['connection', { ch: 1 }],
    ['stream', { ch: 1, connection: { sentSinceLastCheck: false } }],
    ['heartbeat', { ch: 1, connection: { stream: new PassThrough() } }],
  ])('is not there when amqplib shows no %s', (_what, channel) => {
    expect(directTagWriter(channel as unknown as Channel)).toBeUndefined()
  })
})
