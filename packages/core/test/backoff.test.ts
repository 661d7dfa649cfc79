import { describe, expect, it } from 'vitest'
import { fullJitter } from '../src/backoff.js'

describe('full jitter', () => {
  const backoff = { firstMs: 200, maxMs: 15_000 }

  it('waits up to a bound that doubles with each failure, and never beyond the largest', () => {
    const longest = [1, 2, 3, 7, 8, 9, 1_000, 1e9].map((failures) => fullJitter(failures, backoff, () => 1))
    expect(longest).toEqual([200, 400, 800, 12_800, 15_000, 15_000, 15_000, 15_000])
  })

  it('may be over at once, and lies anywhere between', () => {
    expect(fullJitter(5, backoff, () => 0)).toBe(0)
    expect(fullJitter(2, backoff, () => 0.25)).toBe(100)
    const waits = Array.from({ length: 200 }, () => fullJitter(9, backoff))
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_000)
    expect(new Set(waits).size).toBeGreaterThan(100)
  })
})
