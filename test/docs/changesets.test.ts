import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './markdown.js'

interface Manifest {
  readonly name: string
  readonly version?: string
  readonly private?: boolean
  readonly publishConfig?: { readonly access?: string }
}

const read = <Content>(path: string): Content => JSON.parse(readFileSync(join(root, path), 'utf8')) as Content
const packages = ['schemas', ...readdirSync(join(root, 'packages')).map((name) => join('packages', name))]
const published = packages.map((path) => read<Manifest>(join(path, 'package.json'))).filter((it) => it.private !== true)
const config = read<{ access: string; fixed: readonly (readonly string[])[]; baseBranch: string }>(
  '.changeset/config.json',
)

test('all published packages have one version', () => {
  expect(config.fixed).toEqual([published.map(({ name }) => name).toSorted()])
  expect(new Set(published.map(({ version }) => version)).size).toBe(1)
})

test('packages are published for everybody', () => {
  expect(config.access).toBe('public')
})

test('every changeset names published packages only', () => {
  const names = new Set(published.map(({ name }) => name))
  const files = readdirSync(join(root, '.changeset')).filter((name) => name.endsWith('.md') && name !== 'README.md')
  for (const file of files) {
    const text = readFileSync(join(root, '.changeset', file), 'utf8')
    const named = [...text.matchAll(/^'(@posthorn\/\w+)': (?:patch|minor|major)$/gm)].map(([, name = '']) => name)
    expect(named.length, file).toBeGreaterThan(0)
    expect(
      named.filter((name) => !names.has(name)),
      file,
    ).toEqual([])
  }
})
