import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { allLies } from '../src/lies/lyingTransport.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')
// Beside this file, so that its imports are found as those of the test are: on the sources.
const file = new URL(`./readme-example-${process.pid}.js`, import.meta.url)

describe('the README', () => {
  afterEach(() => rmSync(file, { force: true }))

  it('has an example for services that runs as it stands', async () => {
    const lines: string[] = []
    const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line))
    writeFileSync(file, /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '')
    try {
      await import(/* @vite-ignore */ fileURLToPath(file))
    } finally {
      log.mockRestore()
    }
    expect(lines).toEqual(['paid o-1', 'retriesExhausted after 3: the card is stolen'])
  })

  it('has an example for transports that is the test of the in-process broker', () => {
    const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
    expect(example).toBe(read('../../../test/conformance/memory.test.ts'))
  })

  it('names every lie', () => {
    const named = [...readme.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell = '']) =>
      cell.replaceAll('`', '').split(', '),
    )
    expect(named.sort()).toEqual([...allLies].sort())
  })
})
