import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { optionsKnownTo, optionsNamedIn, outputOfExample } from '../../../test/docs/packageReadme.js'
import { serveMonitoring } from '../src/index.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

test('the example of the README runs as it stands', async () => {
  const log = await outputOfExample(readme, 'js', import.meta.url)
  expect(log).toEqual(['before the start 200 503', 'running 200 200', 'stopped 200 503'])
})

test('its table has the options of the code', async () => {
  const error: unknown = await serveMonitoring({ bogus: 1 } as never).catch((caught: unknown) => caught)
  const { problems } = (error as { details: { problems: string[] } }).details
  expect(optionsNamedIn(readme, 'Options')).toEqual(optionsKnownTo(problems))
})
