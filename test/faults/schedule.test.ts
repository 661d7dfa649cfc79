import { expect, test } from 'vitest'
import { createSchedule } from './schedule.js'
import type { ScheduledFault } from './schedule.js'

const kinds = {
  killed: { minMs: 1_000, maxMs: 4_000 },
  cut: { minMs: 0, maxMs: 500 },
  paused: { minMs: 3_000, maxMs: 9_000 },
  full: { minMs: 2_000, maxMs: 6_000 },
}
const plan = (seed: number, totalMs = 600_000): ScheduledFault[] => createSchedule({ seed, totalMs, kinds })

test('the same seed gives the same schedule, another seed another one', () => {
  expect(plan(7)).toEqual(plan(7))
  expect(plan(7)).not.toEqual(plan(8))
})

test('a longer run begins as a shorter one of the same seed', () => {
  const short = plan(3, 120_000)
  expect(plan(3).slice(0, short.length)).toEqual(short)
})

test('each kind comes once before one comes twice', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const names = plan(seed).map(({ kind }) => kind)
    for (let at = 0; at + 4 <= names.length; at += 4) expect(new Set(names.slice(at, at + 4)).size).toBe(4)
  }
})

test('a fault lasts as long as its kind may, and begins when the one before it is over', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    let overAt = 0
    for (const { kind, atMs, durationMs } of plan(seed)) {
      const span = kinds[kind as keyof typeof kinds]
      expect(durationMs).toBeGreaterThanOrEqual(span.minMs)
      expect(durationMs).toBeLessThanOrEqual(span.maxMs)
      expect(atMs).toBeGreaterThan(overAt)
      overAt = atMs + durationMs
    }
    expect(overAt).toBeLessThan(600_000)
  }
})

test('ten minutes have room for thirty faults, and no time has room for none', () => {
  expect(plan(1).length).toBeGreaterThanOrEqual(30)
  expect(plan(1, 5_000)).toEqual([])
  expect(createSchedule({ seed: 1, totalMs: 600_000, kinds: {} })).toEqual([])
})
