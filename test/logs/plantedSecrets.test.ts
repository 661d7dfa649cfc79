import { createMemory } from '@posthorn/memory'
import { expect, test } from 'vitest'
import { createLines, expectCleanDeadLetter, secret } from './plantedSecrets.js'

test('on memory, what handlers get and say never reaches the log', async () => {
  await expectCleanDeadLetter(createMemory())
})

test('the secret would be found', () => {
  const lines = createLines()
  lines.logger.warn({ event: 'x' }, secret)
  expect(() => lines.expectClean('x')).toThrow(/deeply equal \[\]/)
  expect(() => lines.expectClean('y')).toThrow(/ArrayContaining/)
})
