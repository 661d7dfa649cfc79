import { readFileSync } from 'node:fs'
import { createPostgresStore } from '@posthorn/postgres'
import { expect, it } from 'vitest'
import { optionsKnownTo, optionsNamedIn, outputOfExample } from '../../../test/docs/packageReadme.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

it('the example of the README runs as it stands', async () => {
  expect(await outputOfExample(readme, 'ts', import.meta.url)).toEqual(['billing heard of o-1'])
})

it('the README names every option, and no other', () => {
  let problems: readonly string[] = []
  try {
    createPostgresStore({ bogus: 1 } as never)
  } catch (error) {
    problems = (error as { details: { problems: string[] } }).details.problems
  }
  expect(optionsNamedIn(readme, 'createPostgresStore')).toEqual(optionsKnownTo(problems))
})
