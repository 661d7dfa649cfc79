import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { expect, it } from 'vitest'
import { createRepeats } from '../../src/logs/repeats.js'
import type { Repeats } from '../../src/logs/repeats.js'

interface Bench {
  readonly clock: VirtualClock
  readonly repeats: Repeats
  readonly told: [subject: string, suppressed: number][]
  /** How many of `count` records were admitted. */
  write(subject: string, count?: number): number
}

function bench(): Bench {
  const clock = createVirtualClock()
  const repeats = createRepeats(clock, { maxRepeats: 3, repeatWindowMs: 1_000 })
  const told: [string, number][] = []
  const admit = (subject: string): boolean =>
    repeats.admit(subject, (suppressed) => void told.push([subject, suppressed]))
  return {
    clock,
    repeats,
    told,
    write: (subject, count = 1) => Array.from({ length: count }).filter(() => admit(subject)).length,
  }
}

it('the first records of a subject are written, the others counted and told when the window ends', async () => {
  const { clock, write, told } = bench()
  expect(write('a', 100)).toBe(3)
  expect(told).toEqual([])
  await clock.advance(1_000)
  expect(told).toEqual([['a', 97]])
  expect(write('a', 5)).toBe(3)
  await clock.advance(1_000)
  expect(told).toEqual([['a', 97], ['a', 2]]) // prettier-ignore
})

it('nothing is told where nothing was left out', async () => {
  const { clock, write, told, repeats } = bench()
  write('a', 3)
  await clock.advance(5_000)
  expect(write('a', 3)).toBe(3)
  repeats.flush()
  expect(told).toEqual([])
})

it('one subject does not hold another one back', () => {
  const { write } = bench()
  expect(write('a', 50)).toBe(3)
  expect(write('b')).toBe(1)
})

it('a record after the window is written, also when no timer has run', async () => {
  const { clock, write, told } = bench()
  write('a', 4)
  await clock.advance(999)
  expect(write('a')).toBe(0)
  await clock.advance(1)
  expect(write('a')).toBe(1)
  expect(told).toEqual([['a', 2]])
})

it('every window is told at its own end', async () => {
  const { clock, write, told } = bench()
  write('a', 4)
  await clock.advance(400)
  write('b', 5)
  await clock.advance(600)
  expect(told).toEqual([['a', 1]])
  await clock.advance(400)
  expect(told).toEqual([['a', 1], ['b', 2]]) // prettier-ignore
})

it('flush tells at once what was left out, and leaves no timer', async () => {
  const { clock, repeats, write, told } = bench()
  write('a', 5)
  write('b', 9)
  repeats.flush()
  expect(told).toEqual([['a', 2], ['b', 6]]) // prettier-ignore
  await clock.advance(5_000)
  expect(told).toHaveLength(2)
})

it('memory is bounded, and what the oldest subject has left out is told when it gives way', () => {
  const { write, told } = bench()
  write('a', 10)
  for (let index = 0; index < 10_000; index += 1) expect(write(`s${index}`)).toBe(1)
  expect(told).toEqual([['a', 7]])
  expect(write('a')).toBe(1)
})

it('records and what is told add up to all that happened (random)', async () => {
  const { clock, repeats, write, told } = bench()
  let written = 0
  let happened = 0
  for (let step = 0; step < 2_000; step += 1) {
    const count = (step * 7_919) % 13
    happened += count
    written += write(`s${(step * 31) % 11}`, count)
    if (step % 3 === 0) await clock.advance((step * 17) % 400)
  }
  repeats.flush()
  expect(written + told.reduce((sum, [, suppressed]) => sum + suppressed, 0)).toBe(happened)
  expect(written).toBeLessThan(happened)
})
