import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { ConfirmChannel as AmqpConfirmChannel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { coalescedWriter } from '../src/coalescedWriter.js'
import type { PublishWriter } from '../src/publishWriter.js'
import { message } from './broker.js'

/** A socket that notes what is written, and takes it when the test says so. */
class FakeSocket extends Duplex {
  readonly chunks: Buffer[] = []
  readonly taken: (() => void)[] = []
  isSlow = false

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(Buffer.from(chunk))
    if (this.isSlow) this.taken.push(done)
    else done()
  }

  override _read(): void {}

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }
}

interface Rig {
  readonly socket: FakeSocket
  readonly channel: EventEmitter
  readonly writer: PublishWriter
  readonly answers: [number, boolean, string | undefined][]
  readonly drains: () => number
  /** `leftCount` whenever bytes had left, before they counted. */
  readonly progress: number[]
  readonly write: (body?: Buffer) => boolean
}

/** What is used of a channel of amqplib. */
function channelOn(socket: Duplex): EventEmitter {
  const channel = new EventEmitter()
  channel.on('ack', () => {})
  channel.on('nack', () => {})
  return Object.assign(channel, { ch: 1, connection: { stream: socket, frameMax: 131_072, sentSinceLastCheck: false } })
}

function rig(): Rig {
  const socket = new FakeSocket()
  const channel = channelOn(socket)
  const answers: [number, boolean, string | undefined][] = []
  let drainCount = 0
  const progress: number[] = []
  const writer = coalescedWriter(channel as AmqpConfirmChannel & EventEmitter, {
    answered: (tag, multiple, refusal) => void answers.push([tag, multiple, refusal?.message]),
    drained: () => (drainCount += 1),
    progressed: () => void progress.push(writer!.leftCount),
  })
  if (writer === undefined) throw new Error('the channel looks as those of amqplib do')
  const write = (body: Buffer = Buffer.from('{}')): boolean =>
    writer.write(message({ id: 'id', body }), { exchange: 'orders', routingKey: 'placed' })
  return { socket, channel, writer, answers, drains: () => drainCount, progress, write }
}

/** Where the last whole frame ends. */
function endOfFrames(chunk: Buffer): number {
  let at = 0
  while (at + 7 < chunk.length) {
    at += chunk.readUInt32BE(at + 3) + 8
    expect(chunk[at - 1]).toBe(0xce)
  }
  return at
}

describe('a coalescing writer', () => {
  it('hands the messages of one turn to the socket as one write', async () => {
    const { socket, writer, write } = rig()
    for (let index = 0; index < 20; index += 1) write()
    expect(socket.chunks).toHaveLength(0)
    expect(writer.handedOverCount).toBe(0)
    await turn()
    expect(socket.chunks).toHaveLength(1)
    expect(writer.handedOverCount).toBe(20)
    write()
    await turn()
    expect(socket.chunks).toHaveLength(2)
  })

  it('waits for the callers that a burst of answers woke', async () => {
    const { socket, write } = rig()
    await Promise.all(Array.from({ length: 10 }, () => Promise.resolve().then(() => write())))
    await turn()
    expect(socket.chunks).toHaveLength(1)
  })

  it('writes large messages whole, and keeps their order among small ones', async () => {
    const { socket, write } = rig()
    write(Buffer.from('first'))
    write(Buffer.alloc(300_000, 'x'))
    write(Buffer.from('last'))
    await turn()
    const all = Buffer.concat(socket.chunks)
    expect(all.indexOf('first')).toBeLessThan(all.indexOf('xxx'))
    expect(all.indexOf('xxx')).toBeLessThan(all.indexOf('last'))
  })

  it('asks for a pause while the socket takes nothing, and says when there is room', async () => {
    const { socket, drains, write } = rig()
    socket.isSlow = true
    let written = 0
    while (write(Buffer.alloc(60_000)) && written < 1_000) written += 1
    expect(written).toBeLessThan(40)
    expect(drains()).toBe(0)
    await turn()
    socket.isSlow = false
    while (socket.taken.length > 0) {
      socket.taken.shift()?.()
      await turn()
    }
    expect(drains()).toBe(1)
    expect(write()).toBe(true)
  })

  it('writes a large message slice by slice, between its frames, and what follows after it', async () => {
    const { socket, writer, progress, write } = rig()
    socket.isSlow = true
    write(Buffer.alloc(1_000_000, 'x'))
    write(Buffer.from('last'))
    const sizes: number[] = []
    await turn()
    expect(writer.handedOverCount).toBe(1)
    while (socket.taken.length > 0) {
      // Nothing else waits in the socket, where it would share the fate of the slice before it.
      expect(socket.chunks).toHaveLength(sizes.length + 1)
      expect(socket.writableLength).toBe(socket.chunks.at(-1)!.length)
      sizes.push(socket.chunks.at(-1)!.length)
      socket.taken.shift()?.()
      await turn()
    }
    expect(sizes).toHaveLength(5)
    expect(Math.max(...sizes)).toBeLessThan(400_000)
    for (const chunk of socket.chunks) expect(endOfFrames(chunk)).toBe(chunk.length)
    expect(Buffer.concat(socket.chunks).indexOf('last')).toBeGreaterThan(1_000_000)
    expect(progress).toEqual([0, 0, 0, 0, 1])
    expect([writer.handedOverCount, writer.leftCount]).toEqual([2, 2])
  })

  it('hands all of it over at once before its channel is closed, and nothing more when it was', async () => {
    for (const end of ['flush', 'stop'] as const) {
      const { socket, writer, write } = rig()
      socket.isSlow = true
      write(Buffer.alloc(1_000_000, 'x'))
      write(Buffer.from('last'))
      await turn()
      writer[end]()
      if (end === 'flush') writer.stop()
      for (let round = 0; round < 10; round += 1) {
        socket.taken.shift()?.()
        await turn()
      }
      expect(socket.chunks.length).toBe(end === 'flush' ? 3 : 1)
      expect(writer.handedOverCount).toBe(end === 'flush' ? 2 : 1)
      expect(socket.bytes > 1_000_000).toBe(end === 'flush')
    }
  })

  it('hands nothing over after its channel is gone, and knows what never left', async () => {
    const { socket, writer, write } = rig()
    write()
    await turn()
    const before = socket.bytes
    write()
    writer.stop()
    await turn()
    expect(socket.bytes).toBe(before)
    expect(writer.handedOverCount).toBe(1)
  })

  it('passes on what the broker answers', () => {
    const { channel, answers } = rig()
    channel.emit('ack', { deliveryTag: 3, multiple: true })
    channel.emit('nack', { deliveryTag: 4, multiple: false })
    expect(answers).toEqual([
      [3, true, undefined],
      [4, false, 'message nacked'],
    ])
  })

  it('takes a message without an encoding as if it had never come', async () => {
    const { socket, writer, write } = rig()
    expect(() =>
      writer.write(message({ headers: { ['n'.repeat(300)]: 'v' } }), { exchange: '', routingKey: 'q' }),
    ).toThrow(RangeError)
    write(Buffer.from('good'))
    await turn()
    expect(writer.handedOverCount).toBe(1)
    expect(socket.chunks).toHaveLength(1)
    expect(socket.chunks[0]?.[0]).toBe(1)
  })

  it.each([
    ['its number', { ch: undefined }],
    ['its connection', { connection: undefined }],
    ['the stream', { connection: { stream: undefined, frameMax: 131_072, sentSinceLastCheck: false } }],
    ['the mark of heartbeats', { connection: { stream: new FakeSocket(), frameMax: 131_072 } }],
    ['the size of frames', { connection: { stream: new FakeSocket(), frameMax: 0, sentSinceLastCheck: false } }],
  ])('is not there when amqplib does not show %s, and leaves the channel as it is', (_what, change) => {
    const channel = Object.assign(channelOn(new FakeSocket()), change)
    const nothing = (): void => {}
    const listener = { answered: nothing, drained: nothing, progressed: nothing }
    expect(coalescedWriter(channel as unknown as AmqpConfirmChannel, listener)).toBeUndefined()
    expect(channel.listenerCount('ack')).toBe(1)
  })
})
