import { connect } from 'amqplib'
import { silentLogger, systemClock } from '@posthorn/core/adapter'
import type { Logger, Transport } from '@posthorn/core/adapter'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import type { RabbitMqOptions } from '../src/index.js'
import { close, friendly, openOk, start, startScriptedBroker, tune } from './scriptedBroker.js'
import type { Script, ScriptedBroker } from './scriptedBroker.js'

const brokers: ScriptedBroker[] = []
const transports: Transport[] = []
const uncaught: unknown[] = []
const remember = (error: unknown): void => void uncaught.push(error)

beforeEach(() => {
  uncaught.length = 0
  process.on('uncaughtExceptionMonitor', remember)
})
afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.close(after(1_000))))
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('uncaughtExceptionMonitor', remember)
  expect(uncaught).toEqual([])
})

const after = (ms: number): number => systemClock.monotonic() + ms

async function brokerThat(script: Script): Promise<ScriptedBroker> {
  const broker = await startScriptedBroker(script)
  brokers.push(broker)
  return broker
}

function transportTo(broker: ScriptedBroker, options: Partial<RabbitMqOptions> = {}): Transport {
  const transport = createRabbitMq({ urls: [broker.url], reconnect: { firstMs: 1, maxMs: 5 }, ...options })
  transports.push(transport)
  return transport
}

const connecting = (transport: Transport, ms = 400, logger: Logger = silentLogger): Promise<unknown> =>
  transport.connect({ logger, clock: systemClock }, [], { deadline: after(ms) }).catch((error: unknown) => error)

/** A body for a channel that nobody has opened. */
const unknownChannel = Buffer.from([3, 0, 7, 0, 0, 0, 1, 7, 206])

/** Plays `answer` instead of what a broker says at one moment. */
const insteadOf =
  (moment: 'header' | 'startOk' | 'open', answer: Buffer | 'hangUp' | undefined): Script =>
  (said, bytes, socket) =>
    said === moment ? answer : friendly(said, bytes, socket)

describe('a handshake', () => {
  it('that is done lets us in', async () => {
    const transport = transportTo(await brokerThat(friendly))
    expect(await connecting(transport, 30_000)).toBeUndefined()
    expect(transport.health().state).toBe('ready')
  })

  it('whose last answer comes together with a close is a failed attempt, and no crash', async () => {
    const answer = Buffer.concat([openOk, close(541, 'INTERNAL_ERROR - not today')])
    const broker = await brokerThat(insteadOf('open', answer))
    const transport = transportTo(broker)
    // A busy machine may not come to a second attempt in the time that is plenty otherwise.
    for (let deadlineMs = 400; deadlineMs < 30_000 && broker.connectionCount() < 2; deadlineMs *= 2) {
      expect(await connecting(transport, deadlineMs)).toMatchObject({ code: 'POSTHORN_UNREACHABLE', retryable: true })
    }
    expect(broker.connectionCount()).toBeGreaterThan(1)
    expect(transport.health().state).not.toBe('ready')
  })

  it('whose last answer comes together with a graceful close is not taken for an open connection', async () => {
    let left = 2
    const forced = Buffer.concat([openOk, close(320, 'CONNECTION_FORCED - stopping')])
    const broker = await brokerThat((said, bytes, socket) =>
      said === 'open' && left-- > 0 ? forced : friendly(said, bytes, socket),
    )
    const transport = transportTo(broker)
    expect(await connecting(transport, 30_000)).toBeUndefined()
    expect(broker.connectionCount()).toBe(3)
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  })

  it('whose last answer comes together with a refusal ends the attempts after a few', async () => {
    const answer = Buffer.concat([openOk, close(530, 'NOT_ALLOWED - connection limit (1) is reached')])
    const broker = await brokerThat(insteadOf('open', answer))
    expect(await connecting(transportTo(broker), 30_000)).toMatchObject({
      code: 'POSTHORN_AUTHENTICATION',
      retryable: false,
      message: expect.stringContaining('connection limit (1) is reached') as string,
    })
    expect(broker.connectionCount()).toBe(3)
  })

  it.each([
    ['garbage instead of a greeting', 'header', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\nno such thing here')],
    ['garbage with the end of a frame', 'header', Buffer.from([9, 0, 0, 0, 0, 0, 0, 206])],
    ['an unknown method', 'header', Buffer.from([1, 0, 0, 0, 0, 0, 4, 0, 99, 0, 99, 206])],
    ['a method frame without a method', 'header', Buffer.from([1, 0, 0, 0, 0, 0, 0, 206])],
    ['a heartbeat instead of a greeting', 'header', Buffer.from([8, 0, 0, 0, 0, 0, 0, 206])],
    ['a body frame instead of a greeting', 'header', Buffer.from([3, 0, 0, 0, 0, 0, 1, 7, 206])],
    ['the protocol header of another version', 'header', Buffer.from('AMQP\0\x01\0\0', 'latin1')],
    ['a frame on another channel', 'startOk', Buffer.from([8, 0, 7, 0, 0, 0, 0, 206])],
    ['a method that has no business there', 'startOk', openOk],
    ['frames that are too small', 'startOk', tune(100)],
    ['garbage behind the last answer', 'open', Buffer.concat([openOk, Buffer.from('x'.repeat(64))])],
    ['a frame for an unknown channel behind the last answer', 'open', Buffer.concat([openOk, unknownChannel])],
    ['a hang-up at the greeting', 'header', 'hangUp'],
    ['a hang-up at the login', 'startOk', 'hangUp'],
    ['a hang-up at the virtual host', 'open', 'hangUp'],
    ['nothing at the greeting', 'header', undefined],
    ['nothing at the login', 'startOk', undefined],
    ['nothing at the virtual host', 'open', undefined],
  ] as const)('with %s fails at the deadline, and no error is uncaught', async (_what, moment, answer) => {
    const transport = transportTo(await brokerThat(insteadOf(moment, answer)), { connectTimeoutMs: 100 })
    expect(await connecting(transport)).toMatchObject({ code: 'POSTHORN_UNREACHABLE', retryable: true })
    expect(transport.health().state).not.toBe('ready')
  })

  it.each([
    ['a refused login', 'startOk', close(403, 'ACCESS_REFUSED - Login was refused'), 1],
    ['a login that is not allowed', 'startOk', close(530, 'NOT_ALLOWED'), 1],
    ['another mechanism', 'header', start('EXTERNAL'), 1],
    ['a refused virtual host', 'open', close(530, 'NOT_ALLOWED - vhost down'), 3],
  ] as const)('with %s ends the attempts', async (_what, moment, answer, attempts) => {
    const broker = await brokerThat(insteadOf(moment, answer))
    const transport = transportTo(broker)
    expect(await connecting(transport, 30_000)).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    expect(broker.connectionCount()).toBe(attempts)
    expect(transport.health().state).toBe('idle')
  })

  it('begins at any node of the list, so that clients spread over a cluster', async () => {
    const nodes = await Promise.all([brokerThat(friendly), brokerThat(friendly), brokerThat(friendly)])
    const urls = nodes.map(({ url }) => url)
    // With 60 clients one of three is left out by chance once in ten billion times.
    await Promise.all(Array.from({ length: 60 }, () => connecting(transportTo(nodes[0], { urls }), 20_000)))
    for (const node of nodes) expect(node.connectionCount()).toBeGreaterThan(0)
  })

  it('of another user of amqplib in the process is not touched', async () => {
    const broker = await brokerThat(friendly)
    await connecting(transportTo(broker), 30_000)
    const model = await connect(broker.url)
    expect((model.connection as unknown as NodeJS.EventEmitter).listenerCount('error')).toBe(1)
    const ended = new Promise((resolve) => model.on('error', resolve))
    await brokers.splice(0)[0]?.close()
    expect(await ended).toMatchObject({ message: 'Unexpected close' })
  })
})

describe('losing the connection', () => {
  it('to a broker that makes no sense does not wait for its goodbye', async () => {
    let greeted = 0
    const broker = await brokerThat((said, bytes, socket) => {
      if (said === 'close') return undefined
      if (said === 'open' && (greeted += 1) === 1) setTimeout(() => socket.write(unknownChannel), 5)
      return friendly(said, bytes, socket)
    })
    const transport = transportTo(broker)
    expect(await connecting(transport, 30_000)).toBeUndefined()
    await expect.poll(() => transport.health()).toMatchObject({ state: 'ready', reconnects: 1 })
  })

  it('again and again for the same reason is an error, and shows in health', async () => {
    const oversized = Buffer.from([3, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0])
    const broker = await brokerThat((said, bytes, socket) => {
      if (said === 'open') setTimeout(() => socket.write(oversized), 5)
      return friendly(said, bytes, socket)
    })
    const errors: object[] = []
    const logger: Logger = {
      ...silentLogger,
      error: ((facts: object) => errors.push(facts)) as Logger['error'],
      child: () => logger,
    }
    const transport = transportTo(broker, { maxFrameSizeBytes: 8_192 })
    await connecting(transport, 30_000, logger)
    await expect.poll(() => errors.length).toBeGreaterThan(0)
    expect(errors[0]).toMatchObject({ event: 'rabbitmq.lostAgain', count: 5 })
    await expect
      .poll(() => transport.health(), { interval: 1 })
      .toMatchObject({
        state: 'connecting',
        reasons: [{ code: 'connecting', what: expect.stringContaining('maxFrameSizeBytes') as string }],
      })
  })

  it('for different reasons is no error', async () => {
    let count = 0
    const broker = await brokerThat((said, bytes, socket) => {
      if (said === 'open') {
        const reason = ['a', 'b'][(count += 1) % 2] as string
        setTimeout(() => socket.write(close(541, `INTERNAL_ERROR - ${reason}`)), 5)
      }
      return friendly(said, bytes, socket)
    })
    const errors: object[] = []
    const logger: Logger = {
      ...silentLogger,
      error: ((facts: object) => errors.push(facts)) as Logger['error'],
      child: () => logger,
    }
    await connecting(transportTo(broker), 30_000, logger)
    await expect.poll(() => count).toBeGreaterThan(8)
    expect(errors).toEqual([])
  })
})
