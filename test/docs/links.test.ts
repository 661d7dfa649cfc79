import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { anchorsOf, blocksOf, pages, proseOf, readPage, relativeLinksOf, root, rowsOf } from './markdown.js'

const all = pages()
const ours = all.filter((page) => !/^(packages|schemas|test)\//.test(page))

test('there are pages to check', () => {
  expect(all).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md']))
  expect(all).toEqual(expect.arrayContaining(['packages/core/README.md', 'docs/glossary.md']))
})

describe.each(all)('%s', (page) => {
  const links = relativeLinksOf(page)

  test('every relative link leads to a file', () => {
    expect(links.filter(({ exists }) => !exists).map(({ text }) => text)).toEqual([])
  })

  test('every anchor is a heading', () => {
    const wrong = links.filter(
      ({ anchor, exists, target }) =>
        exists && anchor !== undefined && target.endsWith('.md') && !anchorsOf(readPage(target)).has(anchor),
    )
    expect(wrong.map(({ text }) => text)).toEqual([])
  })

  test('every npm script that it names exists', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    const named = [...readPage(page).matchAll(/\bnpm run (?:-s )?([a-z:]+)/g)].map(([, script = '']) => script)
    expect(named.filter((script) => !(script in manifest.scripts))).toEqual([])
  })
})

test('every page is reached from the README', () => {
  const reached = new Set<string>()
  const visit = (page: string): void => {
    if (reached.has(page)) return
    reached.add(page)
    for (const { target, exists } of relativeLinksOf(page)) if (exists && target.endsWith('.md')) visit(target)
  }
  visit('README.md')
  expect(ours.filter((page) => !reached.has(page))).toEqual([])
})

test('paths of the repository that our pages name exist', () => {
  const path = /`((?:packages|schemas|docs|test|examples|bench|\.changeset)\/[\w./@-]*|[\w.-]+\.(?:yml|md))`/g
  const named = ours.flatMap((page) =>
    [...proseOf(readPage(page)).matchAll(path)].map(([, name = '']) => ({ page, name })),
  )
  expect(named.length).toBeGreaterThan(50)
  // Each package has a changelog of its own after its first release.
  const later = new Set(['CHANGELOG.md'])
  expect(named.filter(({ name }) => !existsSync(join(root, name)) && !later.has(name))).toEqual([])
})

test('the README has at most 40 lines', () => {
  expect(readPage('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(40)
})

test('decisions are numbered without gaps, and all are in the list', () => {
  const records = all.filter((page) => /^docs\/decisions\/\d/.test(page))
  expect(records.length).toBeGreaterThan(10)
  records.forEach((page, index) => {
    const number = String(index + 1).padStart(4, '0')
    expect(page).toContain(`/${number}-`)
    expect(readPage(page)).toMatch(new RegExp(`^# ${number}: `))
    expect(readPage(page)).toContain('**Decision.**')
  })
  const list = rowsOf(readPage('docs/decisions/README.md')).slice(1)
  expect(list).toHaveLength(records.length)
})

test('fenced blocks say their language', () => {
  for (const page of ours) {
    const without = blocksOf(readPage(page)).filter(({ language }) => language === '')
    expect(without, page).toEqual([])
  }
})
