import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { PublishError, Receipt, WireMessage } from '@posthorn/core/adapter'
import { systemClock } from '@posthorn/core/adapter'
import type { ChannelModel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import type { LiveConnection } from '../src/connection.js'
import { createCounts } from '../src/counts.js'
import { createDeclaredExchanges } from '../src/declaredExchanges.js'
import { settingsOf } from '../src/options.js'
import { PublishQueue } from '../src/publishQueue.js'
import { createRabbitMqSender } from '../src/rabbitMqSender.js'
import { after, contextOf, message, within } from './broker.js'

type Answer = (error: Error | null) => void

/** A confirm channel as amqplib's, whose broker answers when the test says so. */
class FakeChannel extends EventEmitter {
  readonly written: { id: string; exchange: string; routingKey: string; answer: Answer }[] = []
  hasRoom = true
  closes = 0
  #isClosed = false

  publish(
    exchange: string,
    routingKey: string,
    _body: Buffer,
    options: { messageId: string },
    answer: Answer,
  ): boolean {
    if (this.#isClosed) throw Object.assign(new Error('Channel closed'), { name: 'IllegalOperationError' })
    this.written.push({ id: options.messageId, exchange, routingKey, answer })
    return this.hasRoom
  }

  get ids(): string[] {
    return this.written.map(({ id }) => id)
  }

  confirm(...ids: string[]): void {
    for (const one of this.written) if (ids.includes(one.id)) one.answer(null)
  }

  /** What amqplib does when the broker closes a channel, in its order. */
  end(error?: Error): void {
    this.#isClosed = true
    if (error !== undefined) this.emit('error', error)
    for (const one of this.written) one.answer(new Error('channel closed'))
    this.emit('close')
  }

  close(): Promise<void> {
    this.closes += 1
    this.#isClosed = true
    this.emit('close')
    return Promise.resolve()
  }

  checkExchange(name: string): Promise<object> {
    return name === 'missing' ? Promise.reject(notFound()) : Promise.resolve({})
  }
}

const notFound = (): Error => Object.assign(new Error("NOT_FOUND - no exchange 'missing'"), { code: 404 })

class FakeConnection {
  readonly channels: FakeChannel[] = []
  readonly live: LiveConnection & { lost: boolean }

  constructor(epoch = 1) {
    const open = (): Promise<FakeChannel> => {
      const channel = new FakeChannel()
      this.channels.push(channel)
      return Promise.resolve(channel)
    }
    const probe = (): Promise<FakeChannel> => Promise.resolve(new FakeChannel())
    const model = { createConfirmChannel: open, createChannel: probe } as unknown as ChannelModel
    this.live = { epoch, lost: false, model, destroy: () => {} }
  }

  get channel(): FakeChannel {
    return this.channels.at(-1) as FakeChannel
  }
}

/** A connection whose channel looks as amqplib's do inside, so that writes are coalesced. */
function coalescingConnection(epoch: number): {
  readonly live: LiveConnection & { lost: boolean }
  readonly channel: EventEmitter
  readonly written: () => string
} {
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const insides = { ch: 1, connection: { stream, frameMax: 131_072, sentSinceLastCheck: false } }
  const channel = Object.assign(new EventEmitter(), insides)
  channel.on('ack', () => {})
  channel.on('nack', () => {})
  const model = { createConfirmChannel: () => Promise.resolve(channel) } as unknown as ChannelModel
  return {
    live: { epoch, lost: false, model, destroy: () => {} },
    channel,
    written: () => Buffer.concat(chunks).toString('latin1'),
  }
}

interface Rig {
  readonly queue: PublishQueue
  readonly connection: FakeConnection
  readonly send: (id: string, fields?: Partial<WireMessage> & { destination?: string; deadline?: number }) => Sent
}

type Sent = Promise<Receipt | PublishError>

/** A queue with an open channel, where nothing has to be declared. */
async function rig(recycleAfterCount = 1_000, resendUnconfirmed = false, clock = systemClock): Promise<Rig> {
  const reconnect = { firstMs: 1, maxMs: 5 }
  const settings = settingsOf({ urls: ['amqp://localhost'], topology: 'none', reconnect, resendUnconfirmed })
  const parts = { exchanges: createDeclaredExchanges(settings.topology), counts: createCounts(), recycleAfterCount }
  const queue = new PublishQueue({ settings, context: { ...contextOf(), clock }, purpose: 'test', ...parts })
  const sender = createRabbitMqSender({
    queue,
    map: settings.topology,
    now: () => systemClock.monotonic(),
    frameMaxBytes: () => 131_072,
  })
  const connection = new FakeConnection()
  queue.ready(connection.live)
  await turn()
  return {
    queue,
    connection,
    send: (id, { destination = 'orders', deadline = after(5_000), ...fields } = {}) =>
      sender.send({ destination }, message({ id, ...fields }), { deadline }).catch((error: PublishError) => error),
  }
}

describe('a queue of publishes', () => {
  it('writes at once, and resolves each with its own confirmation, in any order', async () => {
    const { connection, send } = await rig()
    const sent = ['a', 'b', 'c'].map((id) => send(id))
    expect(connection.channel.ids).toEqual(['a', 'b', 'c'])
    connection.channel.confirm('c')
    expect(await sent[2]).toEqual({ routed: true })
    connection.channel.confirm('b', 'a')
    expect(await Promise.all(sent)).toEqual(Array.from({ length: 3 }, () => ({ routed: true })))
  })

  it('writes nothing while the broker blocks, and then in the order of the calls', async () => {
    const { connection, queue, send } = await rig()
    queue.blocked(true)
    const sent = ['a', 'b', 'c'].map((id) => send(id))
    const late = await send('late', { deadline: after(20) })
    expect(late).toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
    expect(connection.channel.ids).toEqual([])
    queue.blocked(false)
    expect(connection.channel.ids).toEqual(['a', 'b', 'c'])
    connection.channel.confirm('a', 'b', 'c')
    await Promise.all(sent)
  })

  it('waits for room in the buffer', async () => {
    const { connection, send } = await rig()
    connection.channel.hasRoom = false
    void send('a')
    void send('b')
    expect(connection.channel.ids).toEqual(['a'])
    connection.channel.hasRoom = true
    connection.channel.emit('drain')
    expect(connection.channel.ids).toEqual(['a', 'b'])
  })

  it('fails what a lost connection held as unknown, and writes the rest on the next one', async () => {
    const { connection, queue, send } = await rig()
    const held = send('held')
    connection.channel.hasRoom = false
    const full = send('full')
    const waiting = send('waiting')
    connection.channel.end()
    connection.live.lost = true
    for (const one of [held, full]) {
      expect(await one).toMatchObject({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome: 'unknown' })
    }
    const next = new FakeConnection(2)
    queue.ready(next.live)
    await turn()
    expect(next.channel.ids).toEqual(['waiting'])
    next.channel.confirm('waiting')
    expect(await waiting).toEqual({ routed: true })
  })

  it('writes what a lost connection held again on the next one, with the same ids, where that was asked for', async () => {
    const { connection, queue, send } = await rig(1_000, true)
    const sent = ['a', 'b'].map((id) => send(id))
    const late = send('late', { deadline: after(1_000) })
    connection.channel.hasRoom = false
    const waiting = send('waiting')
    connection.channel.end()
    connection.live.lost = true
    expect(await late).toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'unknown' })
    const next = new FakeConnection(2)
    queue.ready(next.live)
    await turn()
    expect(next.channel.ids).toEqual(['a', 'b', 'waiting'])
    next.channel.confirm('a', 'b', 'waiting')
    expect(await Promise.all([...sent, waiting])).toEqual(Array.from({ length: 3 }, () => ({ routed: true })))
  })

  it('sends on the next connection what the writer had not yet handed over, since it surely never left', async () => {
    const { connection, queue, send } = await rig()
    connection.channel.end()
    connection.live.lost = true
    const first = coalescingConnection(2)
    queue.ready(first.live)
    await turn()
    const gone = send('gone')
    await turn()
    const kept = send('kept')
    first.channel.emit('close')
    first.live.lost = true
    expect(await gone).toMatchObject({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome: 'unknown' })
    const next = coalescingConnection(3)
    queue.ready(next.live)
    await turn()
    await turn()
    expect(next.written()).toContain('kept')
    next.channel.emit('ack', { deliveryTag: 1, multiple: false })
    expect(await kept).toEqual({ routed: true })
    expect(first.written()).not.toContain('kept')
  })

  it('keeps a publish that met a closing channel, before those that wait', async () => {
    const { connection, queue, send } = await rig()
    await connection.channel.close()
    const sent = ['a', 'b'].map((id) => send(id))
    queue.ready(connection.live)
    await turn()
    expect(connection.channel.ids).toEqual(['a', 'b'])
    connection.channel.confirm('a', 'b')
    expect(await Promise.all(sent)).toEqual([{ routed: true }, { routed: true }])
  })

  it('writes the neighbours of a publish to a missing exchange again, in order and before newer ones', async () => {
    const { connection, send } = await rig()
    const [a, bad, b] = [send('a'), send('bad', { destination: 'missing' }), send('b')]
    const first = connection.channel
    first.end(notFound())
    const newer = send('newer')
    expect(await bad).toMatchObject({ code: 'POSTHORN_PUBLISH_NO_DESTINATION', outcome: 'notSent' })
    await expect.poll(() => connection.channels.length).toBe(2)
    await turn()
    expect(connection.channel.ids).toEqual(['a', 'b', 'newer'])
    connection.channel.confirm('a', 'b', 'newer')
    expect(await Promise.all([a, b, newer])).toEqual(Array.from({ length: 3 }, () => ({ routed: true })))
  })

  it('does not say notSent of a neighbour that reached its deadline before it was written again', async () => {
    const { connection, queue, send } = await rig()
    const innocent = send('innocent', { deadline: after(1_000) })
    void send('bad', { destination: 'missing' })
    queue.blocked(true)
    connection.channel.end(notFound())
    expect(await innocent).toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'unknown' })
  })

  it('replaces its channel after so many publishes, once nothing is in flight on it', async () => {
    const { connection, send } = await rig(3)
    const [first] = connection.channels as [FakeChannel]
    const sent = ['a', 'b', 'c', 'd', 'e'].map((id) => send(id))
    expect(first.ids).toEqual(['a', 'b', 'c'])
    first.confirm('a', 'b')
    expect(first.closes).toBe(0)
    first.confirm('c')
    await turn()
    expect(first.closes).toBe(1)
    expect(connection.channel.ids).toEqual(['d', 'e'])
    connection.channel.confirm('d', 'e')
    await Promise.all(sent)
  })

  it('keeps its channel when the broker does not confirm in time to replace it', async () => {
    const { connection, send } = await rig(2)
    for (const id of ['a', 'b', 'c']) void send(id)
    expect(connection.channel.ids).toEqual(['a', 'b'])
    await expect.poll(() => connection.channel.ids).toEqual(['a', 'b', 'c'])
    expect(connection.channels).toHaveLength(1)
  })

  it('replaces a channel that goes on refusing, once nothing is in flight on it, and not one that refused for a moment', async () => {
    let aheadMs = 0
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + aheadMs }
    const { connection, send } = await rig(1_000, false, clock)
    const [first] = connection.channels as [FakeChannel]
    const refuse = async (id: string): Promise<void> => {
      const sent = send(id, { deadline: after(600_000) })
      connection.channel.written.at(-1)?.answer(new Error('message nacked'))
      expect(await sent).toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED' })
    }
    await refuse('a')
    aheadMs = 4_000
    await refuse('b')
    expect(first.closes).toBe(0)
    const inFlight = send('c', { deadline: after(600_000) })
    aheadMs = 6_000
    const refused = send('d', { deadline: after(600_000) })
    first.written.at(-1)?.answer(new Error('message nacked'))
    expect(await refused).toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED' })
    const waiting = send('e', { deadline: after(600_000) })
    expect(first.closes).toBe(0)
    first.confirm('c')
    expect(await inFlight).toEqual({ routed: true })
    await turn()
    expect(first.closes).toBe(1)
    expect(connection.channel.ids).toEqual(['e'])
    connection.channel.confirm('e')
    expect(await waiting).toEqual({ routed: true })
    aheadMs = 9_000
    await refuse('f')
    expect(connection.channels).toHaveLength(2)
  })

  it('ties a return to its publish although an earlier one with the same id was given up', async () => {
    const { connection, send } = await rig()
    const returned = { fields: { exchange: 'orders', routingKey: 'placed' }, properties: { messageId: 'same' } }
    await send('same', { type: 'placed', deadline: after(10) })
    const again = send('same', { type: 'placed' })
    const [, second] = connection.channel.written
    connection.channel.emit('return', returned) // Of the first: the broker answers in order.
    second?.answer(null)
    expect(await again).toEqual({ routed: true })
  })

  it('close waits for what is written, and says notSent of what is not', async () => {
    const { connection, queue, send } = await rig()
    const written = send('written')
    connection.channel.hasRoom = false
    const full = send('full')
    const waiting = send('waiting')
    const closing = queue.close(after(2_000))
    expect(await waiting).toMatchObject({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome: 'notSent' })
    connection.channel.confirm('written', 'full')
    expect(await Promise.all([written, full])).toEqual([{ routed: true }, { routed: true }])
    await closing
    expect(connection.channel.closes).toBe(1)
    expect(await send('after')).toMatchObject({ outcome: 'notSent' })
  })

  it('close gives up on what is not confirmed in time', async () => {
    const { queue, send } = await rig()
    const written = send('written')
    await queue.close(within(100).deadline)
    expect(await written).toMatchObject({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome: 'unknown' })
  })
})
