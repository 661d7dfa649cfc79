import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { metricsCatalogue } from '@posthorn/core/adapter'
import { expect, test } from 'vitest'
import { outputOfExample } from '../../../test/docs/packageReadme.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

test('the example of the README runs as it stands', async () => {
  const lines = await outputOfExample(readme, 'js', import.meta.url)
  expect(lines).toEqual(['handled o-1'])
})

test('its table has the options of the code, with their defaults, and its metrics are those of the code', () => {
  const src = fileURLToPath(new URL('../src', import.meta.url))
  const sources = readdirSync(src).map((name) => readFileSync(join(src, name), 'utf8'))
  const options = readFileSync(join(src, 'options.ts'), 'utf8')
  const rows = [...readme.matchAll(/^\| `(\w+)` +\| (.*?) +\|/gm)].filter(([, name]) => options.includes(`  ${name}: `))
  const declared = /interface OpenTelemetryOptions \{([\s\S]*?)\n\}/.exec(options)![1]!
  const names = [...declared.matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name)
  expect(rows.map(([, name]) => name).toSorted()).toEqual(names.toSorted())
  const metrics = metricsCatalogue.map(({ name }) => name)
  for (const [, named] of readme.matchAll(/`((?:messaging|posthorn)\.[a-z_.]+)`/g)) {
    const isKnown = metrics.includes(named!) || sources.some((source) => source.includes(`'${named}'`))
    expect(isKnown, named).toBe(true)
  }
})
