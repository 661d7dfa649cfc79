import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-readme-'))

afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

it('The example of the README runs as it stands', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const example = /```ts\n(?<code>.*?)```/s.exec(readme)?.groups?.['code'] as string
  const file = join(folder, 'example.ts')
  writeFileSync(file, example)
  const printed: unknown[] = []
  vi.spyOn(console, 'log').mockImplementation((line) => void printed.push(line))
  await import(file)
  expect(printed).toEqual(['charged o-1 at attempt 3', { routed: true, queues: expect.any(Array) }])
  const { queues } = printed[1] as { queues: { ready: number; unsettled: number }[] }
  expect(queues.map(({ ready, unsettled }) => ready + unsettled)).toEqual([0, 0, 0, 0])
})
