import { ConfigurationError } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import type { RabbitMqOptions } from '../src/index.js'
import { settingsOf } from '../src/options.js'

const urls = ['amqp://localhost']

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
      topology: 'apply',
      consumerTimeoutMs: 1_500_000,
    })
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
    expect(transport.health()).toEqual({ state: 'idle', addresses: ['amqp://localhost:5672'], reconnects: 0 })
  })

  it('closes at once, and stays closed', async () => {
    const transport = createRabbitMq({ urls })
    await transport.close(0)
    await transport.close(0)
    expect(transport.health().state).toBe('closed')
  })
})
