import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { once } from 'node:events'
import { defineEvent, on } from '@posthorn/core'
import { ConfigurationError } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { serveMonitoring } from '../src/index.js'
import { createScene, get, served } from './fixtures.js'

const noted = defineEvent({ type: 'com.example.noted.v1', destination: 'notes', schema: { type: 'object' } })
const codes = (body: Record<string, unknown>): unknown[] =>
  (body['reasons'] as { code: string }[]).map(({ code }) => code)

async function ask(address: string, path: string, method = 'GET'): Promise<IncomingMessage & { text: string }> {
  const asking = request(`http://${address}${path}`, { method }).end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return Object.assign(response, { text })
}

describe('a server of health', () => {
  it('follows a service through its life, and is live all the while', async () => {
    const { service, broker } = createScene()
    let release = (): void => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const consumer = service.consume('readers', { handlers: [on(noted, () => released)] })
    const monitoring = await served({ subjects: { shop: service } })
    const expectReadiness = async (status: number, ...expected: string[]): Promise<void> => {
      const answer = await get(monitoring, '/readyz')
      expect([answer.status, ...new Set(codes(answer.body))]).toEqual([status, ...expected])
      expect(await get(monitoring, '/livez')).toEqual({ status: 200, body: { live: true, reasons: [] } })
    }
    await expectReadiness(503, 'notStarted')
    await service.start()
    await expectReadiness(200)
    broker.down()
    await expectReadiness(503, 'connecting')
    broker.up()
    await expect.poll(async () => (await get(monitoring, '/readyz')).status).toBe(200)
    await service.publish(noted, {})
    await expect.poll(() => consumer.health().running).toBe(1)
    const stopping = service.stop()
    await expectReadiness(503, 'stopping')
    release()
    await stopping
    await expectReadiness(503, 'stopped')
  })

  it('answers whatever the subjects tell of themselves', async () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const fine = { ready: true, live: true, reasons: [] }
    for (const facts of [{ offset: 42n }, { cycle }, { reasons: [null, 7, { code: 'x' }] }]) {
      const { address } = await served({ subjects: { own: { health: () => ({ ...fine, ...facts }) as never } } })
      expect((await ask(address, '/readyz')).statusCode).toBe(200)
      expect((await ask(address, '/livez')).statusCode).toBe(200)
    }
  })

  it('outlives a handler of metrics that rejects', async () => {
    const { service } = createScene()
    const metrics = (): Promise<void> => Promise.reject(new Error('no registry'))
    const { address } = await served({ subjects: { shop: service }, metrics })
    expect((await ask(address, '/metrics')).statusCode).toBe(500)
    expect((await ask(address, '/readyz')).statusCode).toBe(503)
  })

  it('answers HEAD without a body, and nobody may keep an answer', async () => {
    const { service } = createScene()
    const { address } = await served({ subjects: { shop: service } })
    const [got, head] = [await ask(address, '/readyz?verbose'), await ask(address, '/readyz', 'HEAD')]
    expect([got.statusCode, head.statusCode, head.text]).toEqual([503, 503, ''])
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(got.text)))
    for (const { headers } of [got, head]) {
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'content-type': 'application/json; charset=utf-8',
      })
    }
  })

  it('has no other paths and methods', async () => {
    const { service } = createScene()
    const { address } = await served({ subjects: { shop: service } })
    for (const path of ['/', '/metrics', '/livez/', '//livez', '/readyz%00']) {
      expect((await ask(address, path)).statusCode, path).toBe(404)
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const refused = await ask(address, '/livez', method)
      expect([refused.statusCode, refused.headers.allow]).toEqual([405, 'GET, HEAD'])
    }
  })

  it('answers when a health throws', async () => {
    const health = (): never => {
      throw new Error('broken')
    }
    const monitoring = await served({ subjects: { mine: { health } } })
    expect((await get(monitoring, '/readyz')).status).toBe(503)
    expect((await get(monitoring, '/livez')).status).toBe(200)
  })

  it('asks who gives the metrics, and says so when that throws', async () => {
    const { service } = createScene()
    let isBroken = false
    const { address } = await served({
      subjects: { shop: service },
      metrics(_, response) {
        if (isBroken) throw new Error('broken')
        response.end('a_total 1\n')
      },
    })
    const scraped = await ask(address, '/metrics')
    expect([scraped.statusCode, scraped.text, scraped.headers['cache-control']]).toEqual([
      200,
      'a_total 1\n',
      'no-store',
    ])
    isBroken = true
    expect((await ask(address, '/metrics')).statusCode).toBe(500)
  })

  it('is on loopback unless told otherwise', async () => {
    const { service } = createScene()
    expect((await served({ subjects: { shop: service } })).address).toMatch(/^127\.0\.0\.1:\d+$/)
    expect((await served({ subjects: { shop: service }, host: '::1' })).address).toMatch(/^\[::1\]:\d+$/)
  })

  it('rejects when the port is taken', async () => {
    const { service } = createScene()
    const { address } = await served({ subjects: { shop: service } })
    const port = Number(address.split(':')[1])
    await expect(serveMonitoring({ subjects: { shop: service }, port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('closes, also under a client that never finishes its request, and twice', async () => {
    const { service } = createScene()
    const monitoring = await served({ subjects: { shop: service } })
    const [host, port] = monitoring.address.split(':')
    const socket = connect(Number(port), host)
    await once(socket, 'connect')
    socket.write('GET /livez HTTP/1.1\r\n')
    const ended = once(socket, 'close')
    await Promise.all([monitoring.close(), monitoring.close(), monitoring[Symbol.asyncDispose]()])
    await ended
    await expect(get(monitoring, '/livez')).rejects.toThrow()
  })

  it('lists all problems of its options at once, before it opens a port', async () => {
    const options = { subjects: { shop: {} }, port: -1, host: '', metrics: 1, hots: 'x' } as never
    const error: unknown = await serveMonitoring(options).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ConfigurationError)
    const { problems } = (error as ConfigurationError).details as { problems: string[] }
    expect(problems).toHaveLength(5)
    await expect(serveMonitoring({ subjects: {} })).rejects.toMatchObject({ code: 'POSTHORN_CONFIGURATION' })
  })
})
