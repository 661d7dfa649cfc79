import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { outputOfExample } from '../../../test/docs/packageReadme.js'
import { allLies } from '../src/lies/lyingTransport.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')

describe('the README', () => {
  it('has an example for services that runs as it stands', async () => {
    const lines = await outputOfExample(readme, 'js', import.meta.url)
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
