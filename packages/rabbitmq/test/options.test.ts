import { ConfigurationError } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import type { RabbitMqOptions } from '../src/index.js'
import { settingsOf } from '../src/options.js'

const urls = ['amqp://localhost']
/** One of two urls is plain. */
const mixed = { urls: ['amqp://localhost', 'amqps://localhost'], tls: { cert: '…', key: '…' } }

function problemsOf(options: unknown): readonly string[] {
  try {
    createRabbitMq(options as RabbitMqOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    return (error as ConfigurationError).details['problems'] as string[]
  }
  return []
}

describe('the options of createRabbitMq', () => {
  it('have defaults that are safe in production', () => {
    expect(settingsOf({ urls })).toMatchObject({
      addresses: ['amqp://localhost:5672'],
      vhost: '/',
      heartbeatSeconds: 10,
      connectTimeoutMs: 5_000,
      reconnect: { firstMs: 200, maxMs: 5_000 },
      topology: { mode: 'apply', unrouted: undefined },
      consumerTimeoutMs: 1_500_000,
      credentials: 'urls',
      brokers: [{ connect: { maxFrameSize: 67_108_864 } }],
    })
  })

  it('take external credentials with a client certificate, and a function in their place', () => {
    const tls = { cert: '…', key: '…' }
    expect(settingsOf({ urls: ['amqps://localhost'], tls, credentials: 'external' }).credentials).toBe('external')
    const credentials = (): { username: string; password: string } => ({ username: 'a', password: 'b' })
    expect(settingsOf({ urls, credentials }).credentials).toBe(credentials)
  })

  it('are all checked at once', () => {
    const problems = problemsOf({
      urls: ['http://localhost', 'amqp://localhost?heartbeat=5'],
      heartbeatMs: 0.5,
      topology: 'create',
      reconnect: { firstMs: 0, factor: 2 },
      prefetch: 5,
    })
    expect(problems).toHaveLength(7)
    for (const word of [
      'urls[0]',
      'urls[1]',
      'heartbeatMs',
      'topology',
      'reconnect.firstMs',
      'reconnect.factor',
      'prefetch',
    ]) {
      expect(problems.filter((problem) => problem.startsWith(word))).toHaveLength(1)
    }
  })

  it.each([
    ['no options', undefined],
    ['no urls', {}],
    ['an empty list', { urls: [] }],
    ['a url instead of a list', { urls: 'amqp://localhost' }],
    ['no url', { urls: [5672] }],
    ['nonsense', { urls: ['localhost:5672'] }],
    ['a virtual host with a bare slash', { urls: ['amqp://localhost/a/b'] }],
    ['a percent sign that is no escape', { urls: ['amqp://user:50%@localhost'] }],
    ['two virtual hosts', { urls: ['amqp://localhost/a', 'amqp://localhost/b'] }],
    ['the virtual host twice', { urls: ['amqp://localhost/a'], vhost: 'a' }],
    ['waits in the wrong order', { urls, reconnect: { firstMs: 500, maxMs: 100 } }],
    ['no reconnect', { urls, reconnect: null }],
    ['credentials of another kind', { urls, credentials: { username: 'a', password: 'b' } }],
    ['credentials in the urls and as an option', { urls: ['amqp://a:b@localhost'], credentials: () => ({}) }],
    ['external credentials over a plain connection', { ...mixed, credentials: 'external' }],
    ['external credentials without a certificate', { urls: ['amqps://localhost'], credentials: 'external' }],
    ['frames below those of RabbitMQ 4.1', { urls, maxFrameSizeBytes: 8_191 }],
    ['an unknown key of the topology', { urls, topology: { exchanges: {} } }],
    ['a destination with a name that no broker takes', { urls, topology: { destinations: { 'a b': {} } } }],
    ['an unknown key of a destination', { urls, topology: { destinations: { orders: { queue: 'q' } } } }],
    [
      'a default exchange with a type',
      { urls, topology: { destinations: { orders: { exchange: '', type: 'topic' } } } },
    ],
    [
      'an own exchange of RabbitMQ',
      { urls, topology: { destinations: { o: { exchange: 'amq.topic', declare: true } } } },
    ],
    ['arguments of what exists', { urls, topology: { destinations: { o: { exchange: 'e', arguments: {} } } } }],
    ['a group without a destination', { urls, topology: { groups: { billing: {} } } }],
    ['an unknown key of a group', { urls, topology: { groups: { 'orders.billing': { name: 'q' } } } }],
    ['an unknown key of a binding', { urls, topology: { groups: { 'o.b': { bindings: [{ key: 'k' }] } } } }],
    ['a number that AMQP has no form for', { urls, topology: { groups: { 'o.b': { arguments: { 'x-a': 0.5 } } } } }],
    ['a temporary queue with a name', { urls, topology: { groups: { 'o.b': { temporary: true, queue: 'q' } } } }],
    ['an expiry of a lasting queue', { urls, topology: { groups: { 'o.b': { expiresMs: 5_000 } } } }],
    ['arguments for a queue that exists', { urls, topology: { groups: { 'o.b': { queue: 'q', arguments: {} } } } }],
    ['a priority beyond AMQP', { urls, topology: { groups: { 'o.b': { priority: 128 } } } }],
    ['failover of our own quorum queue', { urls, topology: { groups: { 'o.b': { cancelOnFailover: true } } } }],
    ['a queue that drops when full', { urls, topology: { groups: { 'o.b': { arguments: { 'x-max-length': 5 } } } } }],
    ['a bound for unrouted events that are not kept', { urls, maxUnroutedCount: 5 }],
    ['an age of unrouted events that are not kept', { urls, unrouted: 'report', unroutedMaxAgeMs: 5_000 }],
    ['tls without amqps', { urls, tls: { rejectUnauthorized: true } }],
  ])('refuse %s', (_what, options) => {
    expect(problemsOf(options)).toHaveLength(1)
  })

  it('never repeat a password in a problem', () => {
    for (const url of [
      'amqp://user:geheim@',
      'amqp://user:geheim%@host',
      'ftp://user:geheim@host',
      'amqp://u:geheim@h/?x=1',
    ]) {
      const problems = problemsOf({ urls: [url] })
      expect(problems).not.toEqual([])
      expect(problems.join()).not.toContain('geheim')
    }
  })

  it('take user, password, port and virtual host of an address apart', () => {
    const { brokers, addresses, vhost } = settingsOf({ urls: ['amqps://us%40er:p%2Fss@[::1]:5999/my%2Fhost'] })
    expect(brokers[0]).toMatchObject({
      secure: true,
      connect: {
        protocol: 'amqps',
        hostname: '::1',
        port: 5999,
        username: 'us@er',
        password: 'p/ss',
        vhost: 'my%2Fhost',
      },
    })
    expect(addresses).toEqual(['amqps://[::1]:5999'])
    expect(vhost).toBe('my/host')
  })

  it('round the heartbeat up to whole seconds, which is what AMQP takes', () => {
    expect(settingsOf({ urls, heartbeatMs: 1_001 }).brokers[0]?.connect.heartbeat).toBe(2)
  })

  it('escape a virtual host given as an option, since amqplib unescapes it', () => {
    const { brokers, vhost } = settingsOf({ urls, vhost: '100%/x' })
    expect(brokers[0]?.connect.vhost).toBe('100%25%2Fx')
    expect(vhost).toBe('100%/x')
  })
})

describe('a transport before connect', () => {
  it('declares what RabbitMQ can do and needs no broker to say so', () => {
    const transport = createRabbitMq({ urls, consumerTimeoutMs: 60_000 })
    expect(transport).toMatchObject({
      system: 'rabbitmq',
      capabilities: {
        routed: true,
        ordered: true,
        countsRedeliveries: true,
        maxHoldMs: 60_000,
        maxBodyBytes: 16_777_216,
        binaryPrefix: 'cloudEvents_',
      },
    })
    expect(transport.health()).toMatchObject({ state: 'idle', addresses: ['amqp://localhost:5672'], reconnects: 0 })
  })

  it('closes at once, and stays closed', async () => {
    const transport = createRabbitMq({ urls })
    await transport.close(0)
    await transport.close(0)
    expect(transport.health().state).toBe('closed')
  })
})
