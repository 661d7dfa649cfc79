import { expect, test } from 'vitest'
import { createNewest } from '../src/newest.js'

test('the newest values are remembered, the oldest go', () => {
  const newest = createNewest<number>(2)
  newest.set('a', 1)
  newest.set('b', 2)
  newest.set('c', 3)
  expect([newest.get('a'), newest.get('b'), newest.get('c')]).toEqual([undefined, 2, 3])
  newest.set('b', 4)
  expect([newest.get('b'), newest.get('c')]).toEqual([4, 3])
})
