import { healthCodes } from '@posthorn/core'
import { expect, test } from 'vitest'
import { readPage, rowsOf } from './markdown.js'

const page = readPage('docs/reference/health.md')
const after = (heading: string): (readonly string[])[] =>
  rowsOf(page.split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!).slice(1)
const makesFalse = { liveness: 'both', readiness: '`ready`', nothing: 'neither' } as const

test('the page and the table of codes say the same, in both directions and in one order', () => {
  const table = Object.entries(healthCodes).map(([code, { ends, next }]) => [`\`${code}\``, makesFalse[ends], next])
  expect(after('Codes')).toEqual(table)
})

test('the page says of every code that ends liveness when exactly', () => {
  const ending = Object.entries(healthCodes).filter(([, { ends }]) => ends === 'liveness')
  const documented = after('When it is not live').map(([code]) => code!.replaceAll('`', ''))
  expect(documented.toSorted()).toEqual(ending.map(([code]) => code).toSorted())
})
