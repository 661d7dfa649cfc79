import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { outputOfExample } from '../../../test/docs/packageReadme.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

it('The example of the README runs as it stands', async () => {
  const printed = await outputOfExample(readme, 'ts', import.meta.url)
  expect(printed).toEqual(['charged o-1 at attempt 3', { routed: true, queues: expect.any(Array) }])
  const { queues } = printed[1] as { queues: { ready: number; unsettled: number }[] }
  expect(queues.map(({ ready, unsettled }) => ready + unsettled)).toEqual([0, 0, 0, 0])
})
