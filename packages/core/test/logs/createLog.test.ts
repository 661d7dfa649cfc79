import { Writable } from 'node:stream'
import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { createLog } from '../../src/logs/createLog.js'
import type { Log } from '../../src/logs/createLog.js'
import { defaultLogOptions } from '../../src/logs/logOptions.js'
import type { NormalLogOptions } from '../../src/logs/logOptions.js'
import { ConnectionError } from '../../src/errors.js'
import type { Logger } from '../../src/logger.js'

const secret = 'S3CR3T'

interface Bench {
  readonly clock: VirtualClock
  readonly log: Log
  /** What was written, as pino writes it. */
  lines(): Record<string, unknown>[]
}

function bench(options: Partial<NormalLogOptions> = {}, level = 'debug'): Bench {
  const clock = createVirtualClock()
  const texts: string[] = []
  const stream = new Writable({ write: (chunk: Buffer, _encoding, done) => (texts.push(String(chunk)), done()) })
  const logger = pino({ level, base: null, timestamp: false }, stream)
  return {
    clock,
    log: createLog(logger, clock, { ...defaultLogOptions, ...options }),
    lines: () => texts.map((text) => JSON.parse(text) as Record<string, unknown>),
  }
}

function coded(code: string): Error {
  return Object.assign(new Error('no'), { code })
}

describe('a record', () => {
  it('is pino’s, with the facts of its children, and the code of its error', () => {
    const { log, lines } = bench()
    const child = log.child({ destination: 'orders', group: 'billing' }).child({ queue: 'orders.billing' })
    child.warn({ event: 'rabbitmq.subscribe', err: coded('ECONNREFUSED'), none: undefined }, 'Could not subscribe')
    expect(lines()).toEqual([
      {
        level: 40,
        destination: 'orders',
        group: 'billing',
        queue: 'orders.billing',
        event: 'rabbitmq.subscribe',
        code: 'ECONNREFUSED',
        err: expect.objectContaining({ type: 'Error', message: 'no', code: 'ECONNREFUSED' }) as unknown,
        msg: 'Could not subscribe',
      },
    ])
  })

  it('names the class of an error and its causes, as pino shows it', () => {
    const { log, lines } = bench()
    const err = new ConnectionError({ code: 'POSTHORN_UNREACHABLE', message: 'away', cause: coded('ECONNRESET') })
    log.warn({ event: 'start.waiting', err }, 'x')
    const causes = [{ name: 'Error', message: 'no', code: 'ECONNRESET' }]
    expect(lines()[0]!['err']).toMatchObject({ type: 'ConnectionError', message: 'away', retryable: true, causes })
  })

  it('shows no credentials, wherever they stand', () => {
    const { log, lines } = bench()
    const url = `amqp://user:${secret}@broker`
    log
      .child({ address: url, nested: { list: [url, { password: secret }] } })
      .warn(
        { event: 'rabbitmq.connect', url, token: secret, deep: { a: { b: { c: { d: url } } } }, err: new Error(url) },
        url,
      )
    expect(JSON.stringify(lines())).not.toContain(secret)
    expect(lines()[0]).toMatchObject({ url: 'amqp://***@broker', msg: 'amqp://***@broker', token: '***' })
  })

  it('shows what errors say, but for events whose errors may quote data', () => {
    const { log, lines } = bench()
    log.warn({ event: 'rabbitmq.connect', err: new Error('refused') }, 'x')
    log.warn({ event: 'message.deadLettered', err: new Error(secret) }, 'x')
    log.warn({ err: new Error('of a part of a user') }, 'x')
    const messages = lines().map(({ err }) => (err as Error).message)
    expect(messages).toEqual(['refused', '[not logged: see logs.errorMessages]', 'of a part of a user'])
  })

  it('shows what all errors say where that was asked for, without credentials all the same', () => {
    const { log, lines } = bench({ errorMessages: true })
    log.warn({ event: 'message.deadLettered', err: new Error(`order 1 amqp://a:${secret}@b`) }, 'x')
    expect((lines()[0]!['err'] as Error).message).toBe('order 1 amqp://***@b')
  })

  it('of a level that is off costs nothing', () => {
    const { log, lines } = bench({}, 'warn')
    let reads = 0
    const err = { get message() { return (reads += 1, 'x') } } // prettier-ignore
    log.debug({ event: 'kafka.commit', err }, 'x')
    log.info({ event: 'relay.leases', err }, 'x')
    expect(reads).toBe(0)
    log.warn({ event: 'relay.read', err }, 'x')
    expect(reads).toBeGreaterThan(0)
    expect(lines()).toHaveLength(1)
  })

  it('is written by loggers that cannot tell their level', () => {
    const seen: unknown[] = []
    const write = (facts: unknown, message: string): void => void seen.push([facts, message])
    const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger }
    createLog(logger, createVirtualClock()).child({ a: 1 }).error({ event: 'settle.failed' }, 'x')
    expect(seen).toEqual([[{ event: 'settle.failed' }, 'x']])
  })
})

describe('repeats', () => {
  const connect = { event: 'rabbitmq.connect', purpose: 'publishing' }

  it('are written ten times in a minute, then counted and told once', async () => {
    const { log, lines, clock } = bench()
    for (let index = 0; index < 500; index += 1) log.warn({ ...connect, err: coded('ECONNREFUSED') }, 'x')
    expect(lines()).toHaveLength(10)
    await clock.advance(60_000)
    expect(lines().slice(10)).toEqual([
      {
        level: 40,
        event: 'log.suppressed',
        of: 'rabbitmq.connect',
        purpose: 'publishing',
        codes: 'ECONNREFUSED',
        suppressed: 490,
        repeatWindowMs: 60_000,
        msg: 'More of the same was not written',
      },
    ])
  })

  it('of another code, cause, group or event are not held back', () => {
    const { log, lines } = bench({ maxRepeats: 1 })
    const write = (facts: object, at = log): void => at.warn({ event: 'rabbitmq.subscribe', ...facts }, 'x')
    for (let index = 0; index < 5; index += 1) {
      write({ err: coded('ECONNREFUSED') })
      write({ err: coded('ECONNRESET') })
      write({ err: new Error('x', { cause: coded('E_ONE') }) })
      write({ err: new Error('x', { cause: coded('E_TWO') }) })
      write({}, log.child({ group: 'a' }))
      write({}, log.child({ group: 'b' }))
      log.warn({ event: 'rabbitmq.topology' }, 'x')
    }
    expect(lines()).toHaveLength(7)
  })

  it('of one group are one subject, whichever child writes', () => {
    const { log, lines } = bench({ maxRepeats: 2 })
    for (let index = 0; index < 9; index += 1) log.child({ group: 'a' }).warn({ event: 'rabbitmq.consumerEnded' }, 'x')
    expect(lines()).toHaveLength(2)
  })

  it('are told when the log is flushed, at the level of what was left out', () => {
    const { log, lines } = bench({ maxRepeats: 1 })
    for (let index = 0; index < 3; index += 1) log.error({ event: 'settle.stuck' }, 'x')
    log.child({}).flush()
    expect(lines().at(-1)).toMatchObject({ level: 50, event: 'log.suppressed', of: 'settle.stuck', suppressed: 2 })
  })

  it('of records for debugging, and of records without an event, are all written', () => {
    const { log, lines } = bench({ maxRepeats: 1 })
    for (let index = 0; index < 30; index += 1) {
      log.debug({ event: 'kafka.commit' }, 'x')
      log.warn({}, 'by a part of a user')
    }
    expect(lines()).toHaveLength(60)
  })
})

describe('a log', () => {
  it('never throws, whatever the logger and the facts do', async () => {
    const broken = (): never => {
      throw new Error('disk full')
    }
    const throwing = new Proxy({}, { get: broken, ownKeys: broken })
    const loggers = [
      { debug: broken, info: broken, warn: broken, error: broken, child: broken },
      {},
      { child: () => undefined },
      { isLevelEnabled: broken, warn: broken, child: () => ({ warn: broken }) },
    ]
    for (const logger of loggers) {
      const clock = createVirtualClock()
      const log = createLog(logger as unknown as Logger, clock, { ...defaultLogOptions, maxRepeats: 1 })
      for (const one of [log, log.child({ a: 1 }), log.child(throwing)]) {
        for (const level of ['debug', 'info', 'warn', 'error'] as const) {
          for (const facts of [{}, throwing, { event: 'x', err: throwing }, { event: 'x' }, { event: 'x' }])
            one[level](facts, 'x')
        }
      }
      await clock.advance(60_000)
      log.flush()
    }
  })

  it('of a log is the same one', () => {
    const { log, clock } = bench()
    expect(createLog(log, clock)).toBe(log)
    const child = log.child({})
    expect(createLog(child, clock)).toBe(child)
  })
})
