import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createCounts } from '../../packages/kafka/src/counts.js'
import { proseOf, readPage, root, rowsOf } from './markdown.js'

const operating = proseOf(readPage('docs/how-to/operate-kafka.md'))
const production = proseOf(readPage('docs/how-to/run-in-production.md'))
const source = join(root, 'packages', 'kafka', 'src')
const code = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(source, name), 'utf8'))
  .join('\n')
const ticked = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, inside = '']) => inside)

test('the pages say of every count what it means', () => {
  const counts = Object.keys(createCounts())
  const [, of = ''] = production.split('On Kafka `health().transport.counts`')
  const said = new Set(ticked(of.split('\n## ')[0]!))
  expect(counts.filter((name) => !said.has(name))).toEqual([])
})

test('counts on which to alert exist', () => {
  const known = new Set(Object.keys(createCounts()))
  const others = new Set(['deadLettered', 'stuck', 'eventLoopDelayMs', 'health().ready', 'health().reasons'])
  const [, table = ''] = operating.split('## What to alert on')
  const named = rowsOf(table).flatMap(([first = '']) => ticked(first).filter((name) => !name.includes('.billing')))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !known.has(name) && !others.has(name))).toEqual([])
})

test('events of the log that the pages name exist', () => {
  const pages = `${operating}\n${readPage('docs/explanation/kafka-guarantees.md')}`
  const events = ticked(pages).filter((name) => /^kafka\.\w+$/.test(name))
  expect(events.length).toBeGreaterThan(3)
  expect(events.filter((event) => !code.includes(`'${event}'`))).toEqual([])
})
