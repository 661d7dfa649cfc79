import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { optionsKnownTo, optionsNamedIn, outputOfExample } from '../../../test/docs/packageReadme.js'
import { createInbox, createMemoryStore, createOutbox } from '../src/index.js'
import { problemsOf } from './fixtures.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

it('the example of the README runs as it stands', async () => {
  const printed = await outputOfExample(readme, 'ts', import.meta.url)
  expect(printed).toEqual(['told that o-1 is paid', { payments: ['o-1'], handled: 1 }])
})

it.each([
  ['createOutbox', () => createOutbox({ source: '/shop', store: createMemoryStore(), bogus: 1 } as never)],
  ['createInbox', () => createInbox({ store: createMemoryStore(), bogus: 1 } as never)],
])('the README names every option of %s, and no other', (name, make) => {
  expect(optionsNamedIn(readme, name)).toEqual(optionsKnownTo(problemsOf(make)))
})
