import { expect, it } from 'vitest'
import { createLossStreak } from '../src/lossStreak.js'

it('a streak counts losses in a row with one reason, whatever the numbers in it', () => {
  const streak = createLossStreak()
  expect(streak.count).toBe(0)
  streak.add('Frame size 70000 exceeds maxFrameSize 8192', 10)
  streak.add('Frame size 70001 exceeds maxFrameSize 8192', 10)
  expect(streak.count).toBe(2)
  streak.add('read ECONNRESET', 10)
  expect(streak.count).toBe(1)
})

it('a connection that held for long ends a streak', () => {
  const streak = createLossStreak()
  streak.add('read ECONNRESET', 10)
  streak.add('read ECONNRESET', 60_000)
  expect(streak.count).toBe(1)
})
