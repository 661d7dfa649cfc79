import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Transport } from '@posthorn/core/adapter'
import { afterEach, describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import {
  after,
  brokerUrl,
  contextOf,
  openInbox,
  removeAll,
  sendTo,
  subscriptionTo,
  uniqueDestination,
  within,
} from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { make } = sharedBroker()
const servers: { server: Server; sockets: Set<Socket> }[] = []

afterEach(() => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})

/** A server that takes connections and never says a word. */
async function blackhole(): Promise<{ url: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.resume() // Else it would not notice that the other side left.
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push({ server, sockets })
  return { url: `amqp://user:geheim@127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

const transportTo = (url: string, options: object = {}): Transport => make({ urls: [url], ...options })

async function took(work: Promise<unknown>): Promise<{ ms: number; error: unknown }> {
  const before = performance.now()
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { ms: performance.now() - before, error }
}

/** How long after its deadline something may end on a busy machine. */
const graceMs = 10_000

const everythingOf = (error: unknown): string =>
  JSON.stringify(error, [...Object.getOwnPropertyNames(error), 'cause', 'message', 'stack', 'details'])

describe('connecting to RabbitMQ', () => {
  it('a wrong password fails at once, is not tried again, and appears nowhere', async () => {
    const url = new URL(brokerUrl())
    url.password = 'geheim'
    const transport = transportTo(url.href)
    const { ms, error } = await took(transport.connect(contextOf(), [], within(20_000)))
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    expect(ms).toBeLessThan(15_000)
    expect(everythingOf(error) + JSON.stringify(transport.health())).not.toContain('geheim')
    expect(transport.health()).toMatchObject({ state: 'idle' })
  })

  it('a virtual host that does not exist fails soon and is named', async () => {
    const transport = transportTo(brokerUrl(), { vhost: 'no such host/%' })
    const { ms, error } = await took(transport.connect(contextOf(), [], within(20_000)))
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', details: { vhost: 'no such host/%' } })
    expect(ms).toBeLessThan(15_000)
  })

  it('an address where nobody listens fails at the deadline, naming it without the password', async () => {
    const transport = transportTo('amqp://user:geheim@127.0.0.1:1')
    const { ms, error } = await took(transport.connect(contextOf(), [], within(700)))
    expect(ms).toBeGreaterThan(650)
    expect(ms).toBeLessThan(700 + graceMs)
    expect(error).toMatchObject({ code: 'POSTHORN_UNREACHABLE', retryable: true })
    expect(everythingOf(error)).toContain('127.0.0.1:1')
    expect(everythingOf(error) + JSON.stringify(transport.health())).not.toContain('geheim')
    expect(transport.health()).toMatchObject({ state: 'idle', addresses: ['amqp://127.0.0.1:1'] })
  })

  it('a server that never answers fails at the deadline and keeps no socket', async () => {
    const { url, sockets } = await blackhole()
    const transport = transportTo(url)
    const { ms, error } = await took(transport.connect(contextOf(), [], within(500)))
    expect(error).toMatchObject({ code: 'POSTHORN_UNREACHABLE' })
    expect(ms).toBeLessThan(500 + graceMs)
    await expect.poll(() => sockets.size).toBe(0)
  })

  it('moves on to the next node when one does not answer', async () => {
    const { url } = await blackhole()
    const transport = make({ urls: [url, 'amqp://127.0.0.1:1', brokerUrl()], connectTimeoutMs: 300 })
    await transport.connect(contextOf(), [], within(30_000))
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  })

  it('close settles while connecting to a server that never answers, and so does the connect', async () => {
    const { url, sockets } = await blackhole()
    const transport = transportTo(url)
    const connecting = took(transport.connect(contextOf(), [], within(60_000)))
    await expect.poll(() => sockets.size).toBe(1)
    expect((await took(transport.close(after(30_000)))).ms).toBeLessThan(graceMs)
    expect((await connecting).error).toMatchObject({ code: 'POSTHORN_STOPPED' })
    expect(transport.health()).toMatchObject({ state: 'closed' })
    await expect.poll(() => sockets.size).toBe(0)
  })

  it('a signal ends the wait', async () => {
    const { url, sockets } = await blackhole()
    const abort = new AbortController()
    const connecting = took(transportTo(url).connect(contextOf(), [], { ...within(60_000), signal: abort.signal }))
    await expect.poll(() => sockets.size).toBe(1)
    abort.abort(new Error('enough'))
    expect((await connecting).error).toMatchObject({ cause: { message: 'enough' } })
    await expect.poll(() => sockets.size).toBe(0)
  })

  it('can be connected again after it failed', async () => {
    const { url, sockets } = await blackhole()
    const transport = transportTo(url)
    await took(transport.connect(contextOf(), [], within(200)))
    const again = took(transport.connect(contextOf(), [], within(400)))
    await expect.poll(() => sockets.size).toBe(1)
    expect((await again).error).toMatchObject({ code: 'POSTHORN_UNREACHABLE' })
  })

  it('opens the consuming connection only with a subscription', async () => {
    const orders = uniqueDestination()
    const transport = transportTo(brokerUrl(), { clientName: orders })
    await transport.connect(contextOf(), [orders], within(20_000))
    await transport.connect(contextOf(), [orders], within(20_000))
    expect(transport.health()).toMatchObject({ state: 'ready' })
    const subscribed = await openInbox(transport, subscriptionTo(orders))
    await subscribed.running.stop(after(5_000))
    expect((await sendTo(transport, { destination: orders })).routed).toBe(true)
    await removeAll([orders])
  })

  it('takes a password with signs that an address must escape', () => {
    expect(() => createRabbitMq({ urls: ['amqp://us%40er:p%2Fss%25@localhost/v%2Fhost'] })).not.toThrow()
  })
})
