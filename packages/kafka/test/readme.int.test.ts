import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { settingsOf } from '../src/options.js'
import { brokersFromEnvironment, createBench, uniqueName } from './support/broker.js'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

const bench = createBench(brokersFromEnvironment)

afterEach(async () => {
  await bench.close()
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

it('the example of the README runs as it stands', async () => {
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  expect(code).toContain("'orders'")
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-readme-'))
  const file = join(folder, 'example.ts')
  // Only its names differ, since the broker is shared.
  await writeFile(file, code.replaceAll("'orders'", `'${uniqueName('orders')}'`))
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  vi.stubEnv('KAFKA_BROKERS', brokersFromEnvironment().join(','))
  try {
    await import(/* @vite-ignore */ file)
    const [confirmed, charged] = log.mock.calls.flat() as [string, string]
    expect(confirmed).toMatch(/^confirmed [0-9a-f-]{36}$/)
    expect(charged).toBe('charged o-1 at attempt 3')
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('the README names every option with its default', () => {
  const { brokers: _required, sasl: _none, reconnect, topology, ...settings } = settingsOf({ brokers: ['kafka:9092'] })
  const defaults = {
    ...settings,
    topology: topology.mode,
    'reconnect.firstMs': reconnect.firstMs,
    'reconnect.maxMs': reconnect.maxMs,
  }
  for (const [name, value] of Object.entries(defaults)) {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\``))
    // A default that depends on the driver goes on behind a semicolon.
    expect(row?.split('|')[2]?.split(';')[0]?.trim(), name).toBe(shown(value))
  }
})

function shown(value: unknown): string {
  if (value === undefined) return '–'
  if (typeof value === 'number') return value.toLocaleString('en-US')
  return `\`${typeof value === 'boolean' || typeof value === 'string' ? value : 'object'}\``
}
