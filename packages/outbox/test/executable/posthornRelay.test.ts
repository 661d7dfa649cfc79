import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const executable = join(root, 'packages/outbox/dist/executable/posthornRelay.js')
const children: ChildProcess[] = []
let folder = ''

// Within the repository, so that @posthorn/* is found as in an installed project: the built packages.
beforeAll(() => {
  mkdirSync(join(root, '.posthorn'), { recursive: true })
  folder = mkdtempSync(join(root, '.posthorn', 'relay-'))
})
afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function config(code: string): string {
  const file = join(folder, `relay${(files += 1)}.config.mjs`)
  writeFileSync(file, code)
  return file
}

interface Running {
  readonly child: ChildProcess
  /** What it has printed so far. */
  printed(): string
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>
  /** Resolves with the first record of the log that has this event. */
  logged(event: string): Promise<Record<string, unknown>>
}

function launch(...args: readonly string[]): Running {
  const child = spawn(process.execPath, [executable, ...args], {
    cwd: folder,
    env: { ...process.env, LOG_LEVEL: 'info' },
  })
  children.push(child)
  let stdout = ''
  let stderr = ''
  const waiting: (() => void)[] = []
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString()
    for (const look of waiting) look()
  })
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  )
  return {
    child,
    ended,
    printed: () => stdout,
    logged: (event) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const line = stderr.split('\n').find((one) => one.includes(`"event":"${event}"`))
          if (line !== undefined) resolve(JSON.parse(line) as Record<string, unknown>)
        }
        waiting.push(look)
        void ended.then(({ code }) => reject(new Error(`ended with ${code} before ${event}: ${stderr}`)))
        look()
      }),
  }
}

const imports = `import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { createMemoryStore } from '@posthorn/outbox'
const message = (n) => ({ destination: 'orders', mustRoute: false, message: { body: Buffer.from('{}'), contentType: 'application/json', id: 'm-' + n, type: 't', partitionKey: 'k', headers: {} } })
`
const works = `${imports}
export default async () => {
  const store = createMemoryStore()
  await store.transaction((tx) => store.insert(tx, [message(1), message(2)]))
  return { store, transport: createMemory(), statsIntervalMs: 100, health: { port: 0 } }
}`

async function get(address: unknown, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`http://${String(address)}${path}`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

describe('posthorn-relay', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'publishes, serves its health on loopback, and stops with 0 at %s',
    async (signal) => {
      const { child, ended, logged } = launch('--config', config(works))
      const { address } = await logged('relay.health')
      expect(address).toMatch(/^127\.0\.0\.1:\d+$/)
      await logged('relay.started')
      await expect
        .poll(() => get(address, '/readyz'))
        .toMatchObject({ status: 200, body: { ready: true, health: { relay: { published: 2, depth: 0 } } } })
      expect(await get(address, '/livez')).toEqual({ status: 200, body: { live: true, reasons: [] } })
      expect((await get(address, '/else')).status).toBe(404)
      expect((await fetch(`http://${String(address)}/readyz`, { method: 'POST' })).status).toBe(405)
      child.kill(signal)
      const { code, stdout } = await ended
      expect([code, stdout]).toEqual([0, ''])
    },
  )

  it('serves what its configuration measures, when the exporter of Prometheus is installed', async () => {
    const measured = `import { metrics } from '@opentelemetry/api'
${works.replace('statsIntervalMs', 'metrics: metricsOf(metrics.getMeter("test")), statsIntervalMs')}
const metricsOf = (meter) => ({
  counter: ({ name }) => meter.createCounter(name),
  histogram: ({ name }) => meter.createHistogram(name),
  observableCounter: () => () => {},
  observableGauge(facts, read) {
    meter.createObservableGauge(facts.name).addCallback((result) => {
      for (const { value, attributes } of read()) result.observe(value, attributes)
    })
    return () => {}
  },
})`
    const { child, ended, logged } = launch('--config', config(measured))
    const { address } = await logged('relay.health')
    await logged('relay.started')
    const scrape = async (): Promise<string> => (await fetch(`http://${String(address)}/metrics`)).text()
    await expect.poll(scrape).toMatch(/^posthorn_\w+/m)
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
  })

  it('waits for a broker that is away, says that it is not ready, and can be stopped meanwhile', async () => {
    const away = `${imports}
const broker = createMemoryBroker()
broker.down()
export default { store: createMemoryStore(), transport: createMemory({ broker }), health: { port: 0 } }`
    const { child, ended, logged } = launch('--config', config(away))
    const { address } = await logged('relay.health')
    expect(await get(address, '/readyz')).toMatchObject({
      status: 503,
      body: { ready: false, reasons: [{ subject: 'relay', code: 'starting' }, { code: 'connecting' }] },
    })
    expect((await get(address, '/livez')).status).toBe(200)
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
  })

  it('ends with 1 by its deadline when what is under way does not end', async () => {
    const hangs = `${imports}
const store = createMemoryStore()
await store.transaction((tx) => store.insert(tx, [message(1)]))
const transport = { ...createMemory(), send() { console.log('sending'); return new Promise(() => {}) } }
export default { store, transport, health: false, stopDeadlineMs: 300 }`
    const { child, ended, printed } = launch('--config', config(hangs))
    await expect.poll(printed).toBe('sending\n')
    child.kill('SIGTERM')
    expect((await ended).code).toBe(1)
  })

  it('ends with 1 when the store refuses, or the port of its health is taken', async () => {
    const schema = `${imports}
import { OutboxError } from '@posthorn/core'
const prepare = () => Promise.reject(new OutboxError({ code: 'POSTHORN_OUTBOX_SCHEMA', message: 'Run migrate()' }))
export default { store: { ...createMemoryStore(), prepare }, transport: createMemory(), health: false }`
    const file = config(schema)
    for (const args of [
      ['--config', file],
      ['--check', '--config', file],
    ]) {
      expect(await launch(...args).ended).toMatchObject({ code: 1, stderr: expect.stringContaining('Run migrate()') })
    }
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as { port: number }
    const { code, stderr } = await launch('--config', config(works.replace('port: 0', `port: ${port}`))).ended
    taken.close()
    expect([code, stderr]).toEqual([1, expect.stringContaining('EADDRINUSE')])
  })

  it('checks a configuration without taking a partition', async () => {
    const { code, stdout } = await launch(
      '--check',
      '--config',
      config(works.replace('return {', 'store.renew = () => process.exit(9)\n  return {')),
    ).ended
    expect([code, stdout]).toEqual([0, 'The relay can run: an outbox of 64 partitions, and memory\n'])
  })

  it('shows how it is called', async () => {
    const { code, stdout } = await launch('--help').ended
    expect(code).toBe(0)
    for (const word of ['--config', '--check', '/readyz', '/metrics', 'Exit codes']) expect(stdout).toContain(word)
  })

  it.each([
    ['no arguments', () => [], '--config names no file'],
    ['an unknown argument', () => ['--confg', 'x'], '--confg'],
    ['a missing file', () => ['--config', 'missing.mjs'], 'there is no file'],
    ['no default export', () => ['--config', config('export const a = 1')], 'has no default export'],
    ['a file that does not parse', () => ['--config', config('export default {')], 'could not be loaded'],
    [
      'a function that fails',
      () => ['--config', config('export default () => { throw new Error("no secret") }')],
      'no secret',
    ],
    ['missing options', () => ['--config', config('export default {}')], 'store is required'],
    ['an unknown option', () => ['--config', config(works.replace('health:', 'helth:'))], 'helth is no known option'],
    ['a wrong port', () => ['--config', config(works.replace('port: 0', 'port: -1'))], 'health.port'],
  ] as const)('ends with 2 and says why: %s', async (_name, args, reason) => {
    const { code, stderr } = await launch(...args()).ended
    expect([code, stderr]).toEqual([2, expect.stringContaining(reason)])
  })
})
