import { errorCodes } from '@posthorn/core'
import { expect, test } from 'vitest'
import { pages, readPage, rowsOf } from './markdown.js'

const page = readPage('docs/reference/error-codes.md')
const documented = rowsOf(page)
  .filter(([code]) => code?.startsWith('`POSTHORN_'))
  .map(([code, name, ...others]) => [code, name].map((cell) => cell?.replaceAll('`', '')).concat(others))

test('the page and the table of codes say the same, in both directions and in one order', () => {
  const table = Object.entries(errorCodes).map(([code, facts]) => [
    code,
    facts.class,
    facts.retryable ? 'yes' : 'no',
    facts.meaning,
  ])
  expect(table.length).toBeGreaterThan(20)
  expect(documented).toEqual(table)
})

test('every code that any page names is in the table', () => {
  const known = new Set(Object.keys(errorCodes))
  const others = /^POSTHORN_(PUBLISH_$|RABBITMQ_|KAFKA_|POSTGRES_|GRAFANA_|PROMETHEUS_|JAEGER_|OTLP_)/ // "all POSTHORN_PUBLISH_…", and variables of the environment
  for (const file of pages()) {
    const named = [...readPage(file).matchAll(/POSTHORN_[A-Z_]+/g)].map(([code]) => code)
    expect(
      named.filter((code) => !known.has(code) && !others.test(code)),
      file,
    ).toEqual([])
  }
})

test('the page says where each code is met', () => {
  const whereabouts = page.slice(page.indexOf('## Where you meet them'))
  const unnamed = Object.keys(errorCodes).filter(
    (code) => !whereabouts.includes(code) && !code.startsWith('POSTHORN_PUBLISH_'),
  )
  expect(unnamed).toEqual([])
})
