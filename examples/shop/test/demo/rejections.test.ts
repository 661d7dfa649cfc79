import { expect, test } from 'vitest'
import { createRejections } from '../../src/demo/rejections.js'

test('rejections come in the order of their lines, with their own reasons', () => {
  const rejections = createRejections()
  rejections.add({ line: 9, code: 'B', message: 'second' })
  rejections.add({ line: 2, code: 'A', message: 'first' })
  rejections.add({ line: 5, code: 'B', message: 'other' })
  expect([...rejections]).toEqual([
    { line: 2, code: 'A', message: 'first' },
    { line: 5, code: 'B', message: 'other' },
    { line: 9, code: 'B', message: 'second' },
  ])
  expect(rejections.byCode()).toEqual([['B', 2], ['A', 1]]) // prettier-ignore
})

test('a million rejections take a few bytes each', () => {
  const rejections = createRejections()
  const before = process.memoryUsage()
  for (let line = 1; line <= 1_000_000; line += 1) rejections.add({ line, code: 'A', message: `m ${line % 50}` })
  const after = process.memoryUsage()
  const grown = after.arrayBuffers - before.arrayBuffers
  expect(grown).toBeLessThan(64 * 1_048_576)
  let last = 0
  for (const { line } of rejections) {
    if (line !== last + 1) throw new Error(`line ${line} follows ${last}`)
    last = line
  }
  expect(last).toBe(1_000_000)
})
