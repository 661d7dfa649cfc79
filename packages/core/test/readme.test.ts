import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it, vi } from 'vitest'

// Beside this file, so that its imports are found as those of the test are: on the sources.
const file = new URL(`./readme-example-${process.pid}.js`, import.meta.url)
afterEach(() => rmSync(file, { force: true }))

it('the example of the README runs as it stands', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1]
  expect(example).toBeDefined()
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line))
  writeFileSync(file, example!)
  try {
    await import(/* @vite-ignore */ fileURLToPath(file))
  } finally {
    log.mockRestore()
  }
  expect(lines.toSorted()).toEqual(['charged o-1 at attempt 2', 'confirmed, routed: true'])
})
