import { metricsCatalogue, prometheusName } from '@posthorn/core/adapter'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createCounts as kafkaCounts } from '../../packages/kafka/src/counts.js'
import { createCounts as relayCounts } from '../../packages/outbox/src/relay/relayWorld.js'
import { createCounts as rabbitMqCounts } from '../../packages/rabbitmq/src/counts.js'
import { noReasons } from '../../packages/core/src/consumer/reasonCounts.js'
import { readPage, root, rowsOf } from './markdown.js'

const page = readPage('docs/reference/metrics.md')
const named = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

test('the page and the catalogue say the same, in both directions and in one order', () => {
  const documented = rowsOf(page).filter(([name]) => /^`(messaging|posthorn)\./.test(name ?? ''))
  const catalogue = metricsCatalogue.map((facts) => [
    `\`${facts.name}\``,
    facts.type,
    `\`${facts.unit}\``,
    `\`${prometheusName(facts)}\``,
    facts.attributes.map((name) => `\`${name}\``).join(', '),
    facts.description,
    facts.alert,
  ])
  expect(catalogue.length).toBeGreaterThan(50)
  expect(documented).toEqual(catalogue)
})

test('the page lists every event and every reason, and no other', () => {
  const events = new Map(rowsOf(page).map(([adapter, list]) => [adapter, named(list)]))
  expect(events.get('RabbitMQ')).toEqual(Object.keys(rabbitMqCounts()))
  expect(events.get('Kafka')).toEqual(Object.keys(kafkaCounts()))
  const after = (text: string): string[] => named(page.slice(page.indexOf(text)).split('.\n')[0]!.slice(text.length))
  const ofRelays = after('`posthorn.event` of `posthorn.relay.events` is one of')
  expect(ofRelays).toEqual(Object.keys(relayCounts()).filter((name) => name !== 'published'))
  const reasons = after('`posthorn.reason` of a dead letter is the [reason that stands on it](headers.md), one of')
  expect(reasons).toEqual(Object.keys(noReasons().deadLetters))
  const describes = (name: string): string => metricsCatalogue.find((facts) => facts.name === name)!.description
  for (const reason of Object.keys(noReasons().retries)) expect(describes('posthorn.consumer.retries')).toMatch(reason)
  for (const reason of Object.keys(noReasons().skipped)) expect(describes('posthorn.consumer.skipped')).toMatch(reason)
})

test('names are unique, of the conventions or ours, and units are those of OpenTelemetry', () => {
  const names = metricsCatalogue.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(new Set(metricsCatalogue.map(prometheusName)).size).toBe(names.length)
  for (const { name, unit } of metricsCatalogue) {
    expect(name).toMatch(/^(messaging|posthorn)(\.[a-z]+(_[a-z]+)*)+$/)
    expect(unit, name).toMatch(/^(s|By|\{[a-z]+\})$/)
  }
})

test('no source names a metric but the catalogue', () => {
  const sources = readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name, 'src'))
    .flatMap((folder) => filesOf(folder))
    .filter((file) => !file.includes('metricsCatalogue'))
    .map((file) => readFileSync(file, 'utf8'))
  const names = metricsCatalogue.map(({ name }) => name)
  for (const source of sources) expect(names.filter((name) => source.includes(`'${name}'`))).toEqual([])
  expect(sources.filter((source) => /\bname: '(messaging|posthorn)\./.test(source))).toEqual([])
})

function filesOf(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name))
}
