import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { outputOfExample } from '../../../test/docs/packageReadme.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

it('the example of the README runs as it stands', async () => {
  const lines = (await outputOfExample(readme, 'js', import.meta.url)).map(String)
  expect(lines.toSorted()).toEqual(['charged o-1 at attempt 2', 'confirmed, routed: true'])
})

it('every name in the README exists', () => {
  const src = fileURLToPath(new URL('../src', import.meta.url))
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  const sources = files.map((path) => readFileSync(join(src, path), 'utf8')).join('\n')
  const words = new Set(sources.match(/\w+/g))
  const table = readme.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'))
  const names = table.flatMap((line) => [...line.matchAll(/`([A-Za-z.]+)`/g)].map((match) => match[1]!))
  expect(names.length).toBeGreaterThan(40)
  expect(names.filter((name) => !name.split('.').every((part) => words.has(part)))).toEqual([])
})
