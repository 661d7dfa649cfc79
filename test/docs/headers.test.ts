import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { binaryMode, structuredMode } from '@posthorn/core'
import { deadLetterSchema, envelopeSchema } from '@posthorn/schemas'
import { expect, test } from 'vitest'
import { copyHeader, wireVersion } from '../../packages/core/src/consumer/copyHeaders.js'
import { readPage, root, rowsOf, sectionsOf } from './markdown.js'

const page = readPage('docs/reference/headers.md')
const sections = sectionsOf(page)
const firstCells = (heading: string): string[] =>
  rowsOf(sections.get(heading) ?? '')
    .slice(1)
    .map(([name = '']) => name.replaceAll('`', ''))

test('the page lists every posthorn-* header, and no other', () => {
  const documented = firstCells('posthorn-* headers').toSorted()
  expect(documented).toEqual(Object.values(copyHeader).toSorted())
  expect(documented).toEqual(Object.keys(deadLetterSchema.properties).toSorted())
  expect(sections.get('posthorn-* headers')).toContain(`Version of these headers: \`${wireVersion}\``)
})

test('the page lists every attribute of the envelope, and no other', () => {
  expect(firstCells('The envelope').toSorted()).toEqual(Object.keys(envelopeSchema.properties).toSorted())
})

test('the page lists every reason of a dead letter, and no other', () => {
  const inSchema = deadLetterSchema.properties['posthorn-reason'].enum
  // A dead letter that nobody explained has no such header.
  expect(firstCells('Reasons').toSorted()).toEqual([...inSchema, 'unknown'].toSorted())
})

test('headers that are stripped are those of the code', () => {
  const source = readFileSync(join(root, 'packages/core/src/consumer/copyHeaders.ts'), 'utf8')
  const list = /strippedPrefixes = \[([^\]]*)\]/.exec(source)?.[1] ?? ''
  const prefixes = [...list.matchAll(/'([^']+)'/g)].map(([, prefix = '']) => prefix)
  expect(prefixes.length).toBeGreaterThan(0)
  for (const prefix of prefixes) expect(page).toMatch(new RegExp(`\`${prefix}\\*?\``))
})

test('content types and prefixes are those of the formats', () => {
  const context = { limits: { maxBodyBytes: 1_000, maxDepth: 9 }, binaryPrefix: 'ce_' }
  const envelope = { specversion: '1.0', id: '1', source: '/docs', type: 'docs', data: {} } as const
  expect(page).toContain(`\`${structuredMode().write(envelope, context).contentType}\``)
  expect(page).toContain(`\`${Object.keys(binaryMode().write(envelope, context).headers)[1]}\``)
  const read = (prefix: string): unknown => {
    const names = ['specversion', 'id', 'source', 'type'].map((name) => [prefix + name, name === 'id' ? '1' : '1.0'])
    const raw = { body: null, contentType: 'application/json', headers: Object.fromEntries(names) as never }
    return structuredMode().read(raw, context)
  }
  const prefixes = [...page.matchAll(/`(ce_|ce-|cloudEvents_|cloudEvents:)`/g)].map(([, prefix = '']) => prefix)
  expect(new Set(prefixes).size).toBe(4)
  for (const prefix of prefixes) expect(read(prefix), prefix).toMatchObject({ id: '1' })
  expect(read('other_')).toBe('foreign')
})
