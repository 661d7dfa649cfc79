import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquirePrometheus, acquirePromtool, acquireRabbitMq } from '../src/index.js'
import { instanceAt, leftoversOf } from './leftovers.js'

const releases: (() => Promise<void>)[] = []
const releasing = <T extends { readonly release: () => Promise<void> }>(server: T): T => {
  releases.push(server.release)
  return server
}
let configuration = ''
let server: Server | undefined
beforeEach(() => {
  configuration = mkdtempSync(join(tmpdir(), 'posthorn-prometheus-'))
  const file = `global: { scrape_interval: 1h }
scrape_configs:
  - job_name: probe
    file_sd_configs: [{ files: [targets/probe.yml] }]
`
  writeFileSync(join(configuration, 'prometheus.yml'), file)
})
afterEach(async () => {
  await Promise.all(releases.splice(0).map((release) => release()))
  server?.close()
  rmSync(configuration, { recursive: true })
})

const serveMetrics = async (): Promise<string> => {
  server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end('probe 42\n')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const query = async (url: string, expression: string): Promise<string[]> => {
  const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
  const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } }
  return data.result.map(({ value }) => value[1])
}

describe("a Prometheus of one's own", () => {
  it('scrapes whom it is told to, keeps what it read over kill -9, and leaves nothing', async () => {
    const targets = { probe: [{ targets: [await serveMetrics()], labels: { zone: 'a' } }] }
    const prometheus = releasing(await acquirePrometheus({ configuration, targets, intervalSeconds: 1 }))
    const { url, version, managed, control } = prometheus
    const instance = instanceAt(url)
    expect({ version, managed }).toEqual({ version: expect.stringMatching(/^2\.\d+/), managed: true })
    await expect.poll(() => query(url, 'probe{zone="a"}')).toEqual(['42'])

    server?.close()
    await control?.kill()
    await control?.start()
    expect(await query(url, 'max_over_time(probe[10m])')).toEqual(['42'])

    await prometheus.release()
    expect(await leftoversOf(instance)).toEqual([])
    await expect(control?.start()).rejects.toThrow('has been released')
  })

  it('reads a RabbitMQ that serves metrics', async () => {
    const rabbit = releasing(await acquireRabbitMq({ fresh: true, metrics: true }))
    const targets = { probe: [{ targets: rabbit.metricsAddresses }] }
    const { url } = releasing(await acquirePrometheus({ configuration, targets, intervalSeconds: 1 }))
    await expect.poll(() => query(url, 'rabbitmq_build_info')).toEqual(['1'])
  })

  it('says what its configuration lacks when it cannot start', async () => {
    writeFileSync(join(configuration, 'prometheus.yml'), 'rule_files: 7\n')
    await expect(acquirePrometheus({ configuration, targets: {} })).rejects.toThrow(
      /prometheus ended.*rule_files|into \[\]string/s,
    )
  })
})

describe('promtool', () => {
  it('checks a configuration, and tells by its code that one is wrong', async () => {
    const promtool = await acquirePromtool()
    const check = ['check', 'config', 'prometheus.yml']
    expect(await promtool.run(check, { cwd: configuration })).toMatchObject({ code: 0 })
    writeFileSync(join(configuration, 'prometheus.yml'), 'rule_files: 7\n')
    expect(await promtool.run(check, { cwd: configuration })).toMatchObject({ code: 1 })
  })
})
