import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import type { ChannelModel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { createCounts } from '../src/counts.js'
import type { Counts } from '../src/counts.js'
import { createDeclaredExchanges } from '../src/declaredExchanges.js'
import { settingsOf } from '../src/options.js'
import { PublishQueue } from '../src/publishQueue.js'
import { createRabbitMqSender } from '../src/rabbitMqSender.js'
import { contextOf, message } from './broker.js'

const mebibyte = 1_048_576

/** A socket that takes one write at a time, when the test says so. */
class SlowSocket extends Duplex {
  #taken: (() => void) | undefined
  isFast = false

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.isFast) done()
    else this.#taken = done
  }

  override _read(): void {}

  async takeOne(): Promise<void> {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
    await turn()
  }
}

interface Rig {
  readonly socket: SlowSocket
  readonly clock: VirtualClock
  readonly counts: Counts
  readonly send: (bytes?: number) => Promise<void>
  /** The broker confirms what was published up to here. */
  readonly confirm: (tag: number) => void
}

/** A queue of publishes on a channel as amqplib's. */
async function rig(): Promise<Rig> {
  const socket = new SlowSocket()
  const insides = { ch: 1, connection: { stream: socket, frameMax: 131_072, sentSinceLastCheck: false } }
  const channel = Object.assign(new EventEmitter(), insides)
  channel.on('ack', () => {})
  channel.on('nack', () => {})
  const model = { createConfirmChannel: () => Promise.resolve(channel) } as unknown as ChannelModel
  const clock = createVirtualClock()
  const counts = createCounts()
  const settings = settingsOf({ urls: ['amqp://localhost'], topology: 'none' })
  const parts = { exchanges: createDeclaredExchanges(settings.topology), counts, recycleAfterCount: 1_000 }
  const queue = new PublishQueue({ settings, context: { ...contextOf(), clock }, purpose: 'test', ...parts })
  const now = (): number => clock.monotonic()
  const sender = createRabbitMqSender({ queue, map: settings.topology, now, frameMaxBytes: () => 131_072 })
  queue.ready({ epoch: 1, lost: false, model, destroy: () => {} })
  await turn()
  return {
    socket,
    clock,
    counts,
    async send(bytes = 10) {
      const sent = sender.send({ destination: 'orders' }, message({ body: Buffer.alloc(bytes) }), { deadline: 1e9 })
      sent.catch(() => {})
      await turn()
    },
    confirm: (deliveryTag) => void channel.emit('ack', { deliveryTag, multiple: true }),
  }
}

describe('a broker that answers nothing', () => {
  it('is not given up while a publish leaves, and not before its bytes can have arrived', async () => {
    const { socket, clock, counts, send, confirm } = await rig()
    await send(16 * mebibyte)
    // In slices, of which the link takes one in nine seconds.
    for (let slice = 0; slice < 65; slice += 1) {
      await clock.advance(9_000)
      await socket.takeOne()
    }
    expect(counts.silences).toBe(0)
    // All of it has left; 16 MiB may stand in buffers on the way.
    await clock.advance(60_000)
    expect(counts.silences).toBe(0)
    confirm(1)
    await clock.advance(600_000)
    expect(counts.silences).toBe(0)
  })

  it('is given up as soon as any other when the link takes nothing more of a large publish', async () => {
    const { socket, clock, counts, send } = await rig()
    await send(16 * mebibyte)
    for (let slice = 0; slice < 10; slice += 1) await socket.takeOne()
    await clock.advance(9_000)
    expect(counts.silences).toBe(0)
    await clock.advance(6_000)
    expect(counts.silences).toBe(1)
  })

  it('is given up in the end when a publish has left and no answer comes', async () => {
    const { socket, clock, counts, send } = await rig()
    socket.isFast = true
    await send(mebibyte)
    await clock.advance(13_000)
    expect(counts.silences).toBe(0)
    await clock.advance(5_000)
    expect(counts.silences).toBe(1)
  })

  it('is given up although it takes what is published meanwhile: it has forgotten what it owes', async () => {
    for (const bytes of [10, mebibyte]) {
      const { socket, clock, counts, send } = await rig()
      socket.isFast = true
      await send()
      for (let second = 0; second < 13; second += 1) {
        await send(bytes)
        await clock.advance(1_000)
      }
      expect(counts.silences).toBe(1)
    }
  })
})
