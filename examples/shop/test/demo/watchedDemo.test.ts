import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ended, startDemo } from './demoCommand.js'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** Listens, and hands each body over. */
async function listen(onBody: (path: string, body: string) => void): Promise<number> {
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      onBody(request.url ?? '', body)
      response.setHeader('content-type', 'application/json')
      response.end('{}')
    })
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const twoMinutes = { timeout: 120_000 }

describe('a demo that is watched', twoMinutes, () => {
  test('keeps ordering for so long, serves what each service measures and how it is, and adds up', async () => {
    // Above the ports that the stack picks, and below those of outgoing connections.
    const port = 32_100 + Math.floor(Math.random() * 500)
    const demo = startDemo(['--minutes', '0.1', '--metrics-port', String(port), '--json'])
    const end = ended(demo)
    const metricsOf = async (at: number): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port + at}/metrics`).catch(() => undefined))?.text() ?? ''
    await expect.poll(() => metricsOf(2), { timeout: 60_000 }).toContain('messaging_process_duration_count{')
    expect(await metricsOf(0)).toContain('target_info{service_name="users"}')
    expect(await metricsOf(1)).toContain('target_info{service_name="orders"}')
    expect(await metricsOf(3)).toContain('messaging_client_sent_messages_total{')
    expect(await metricsOf(4)).toContain('target_info{service_name="auditor"}')

    for (const path of ['livez', 'readyz']) {
      const statuses = [0, 1, 2, 3, 4].map(async (at) => (await fetch(`http://127.0.0.1:${port + at}/${path}`)).status)
      expect(await Promise.all(statuses)).toEqual([200, 200, 200, 200, 200])
    }

    const { code, stdout, stderr } = await end
    expect(code).toBe(0)
    expect(stderr).toContain(`payments http://127.0.0.1:${port + 2}/metrics\n`)
    const { read, durationMs } = JSON.parse(stdout) as { read: number; durationMs: number }
    expect(durationMs).toBeGreaterThanOrEqual(5_900)
    expect(read).toBeLessThanOrEqual(61)
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow()
  })

  test('sends its spans to where the environment says', async () => {
    interface Sent {
      readonly resourceSpans: readonly {
        readonly resource: { readonly attributes: readonly { key: string; value: { stringValue?: string } }[] }
      }[]
    }
    const names = new Set<string | undefined>()
    const paths = new Set<string>()
    const port = await listen((path, body) => {
      paths.add(path)
      for (const { resource } of (JSON.parse(body) as Sent).resourceSpans) {
        names.add(resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue)
      }
    })
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }
    const { code } = await ended(startDemo(['--minutes', '0.05', '--json'], env))
    expect(code).toBe(0)
    expect([...paths]).toEqual(['/v1/traces'])
    expect([...names]).toEqual(expect.arrayContaining(['customers', 'orders', 'payments', 'relay', 'users']))
  })

  test('does not begin where a port is taken, and says which', async () => {
    const port = await listen(() => {})
    const { code, stdout, stderr } = await ended(startDemo(['--metrics-port', String(port - 1)]))
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(`127.0.0.1:${port}`)
    expect(stderr).toContain('SHOP_PORT_TAKEN')
  })

  test.each([
    ['--minutes', '0'],
    ['--minutes', 'a few'],
    ['--metrics-port', '0'],
    ['--metrics-port', '65535'],
  ])('refuses %s %s', async (option, value) => {
    const { code, stderr } = await ended(startDemo([option, value]))
    expect(code).toBe(2)
    expect(stderr).toContain(option)
  })
})
