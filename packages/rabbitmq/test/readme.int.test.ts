import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { settingsOf } from '../src/options.js'
import { brokerUrl, removeAll, uniqueDestination } from './broker.js'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

it('the example of the README runs as it stands', async () => {
  const destination = uniqueDestination()
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  expect(code).toContain("'orders'")
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-readme-'))
  const file = join(folder, 'example.ts')
  // Only its names differ, since the broker is shared.
  await writeFile(file, code.replaceAll("'orders'", `'${destination}'`))
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  vi.stubEnv('RABBITMQ_URL', brokerUrl())
  try {
    await import(/* @vite-ignore */ file)
    expect(log.mock.calls.flat()).toEqual(['confirmed, routed: true', 'charged o-1 at attempt 3'])
  } finally {
    await rm(folder, { recursive: true })
    await removeAll([destination], 'billing', [500])
  }
})

it('the README names every option with its default', () => {
  const { reconnect, heartbeatSeconds, connectTimeoutMs, consumerTimeoutMs } = settingsOf({ urls: [brokerUrl()] })
  const defaults: Record<string, number> = {
    heartbeatMs: heartbeatSeconds * 1_000,
    connectTimeoutMs,
    'reconnect.firstMs': reconnect.firstMs,
    'reconnect.maxMs': reconnect.maxMs,
    consumerTimeoutMs,
  }
  for (const [name, value] of Object.entries(defaults)) {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\``))
    expect(row).toContain(`| ${value.toLocaleString('en-US')} `)
  }
})
