import { expect, test } from 'vitest'
import { createStallWatch } from './stallWatch.js'

function bench(flows = ['a', 'b']): { watch: ReturnType<typeof createStallWatch>; at: (ms: number) => void } {
  let nowMs = 0
  const watch = createStallWatch(flows, () => nowMs)
  watch.faultHealed()
  return { watch, at: (ms) => void (nowMs = ms) }
}

test('the longest time that one flow did not move counts, though others moved', () => {
  const { watch, at } = bench()
  at(100)
  watch.count('a', 1)
  watch.count('b', 1)
  at(400)
  watch.count('a', 2)
  watch.count('b', 1)
  expect(watch.longestMs).toBe(300)
  at(900)
  watch.count('b', 2)
  expect(watch.longestMs).toBe(800)
})

test('a stall counts while it lasts', () => {
  const { watch, at } = bench(['a'])
  at(5_000)
  watch.count('a', 0)
  expect(watch.longestMs).toBe(5_000)
})

test('during a fault nothing has to move, and the wait begins when it is healed', () => {
  const { watch, at } = bench(['a'])
  at(100)
  watch.faultBegan()
  at(20_000)
  watch.count('a', 0)
  watch.faultHealed()
  at(20_700)
  watch.count('a', 1)
  expect(watch.longestMs).toBe(700)
})

test('it has recovered when every flow has moved since the fault was healed', () => {
  const { watch, at } = bench()
  watch.count('a', 1)
  watch.count('b', 1)
  expect(watch.recovered).toBe(true)
  watch.faultBegan()
  watch.count('a', 2)
  watch.faultHealed()
  expect(watch.recovered).toBe(false)
  at(10)
  watch.count('a', 3)
  watch.count('b', 1)
  expect(watch.waiting).toEqual(['b'])
  watch.count('b', 2)
  expect(watch.recovered).toBe(true)
})

test('before the traffic begins nothing has to move', () => {
  let nowMs = 0
  const watch = createStallWatch(['a'], () => nowMs)
  nowMs = 9_000
  watch.count('a', 0)
  watch.faultHealed()
  nowMs = 9_100
  watch.count('a', 1)
  expect(watch.longestMs).toBe(100)
})

test('after the end nothing has to move', () => {
  const { watch, at } = bench(['a'])
  at(50)
  watch.end()
  at(90_000)
  watch.count('a', 0)
  expect(watch.longestMs).toBe(50)
})
