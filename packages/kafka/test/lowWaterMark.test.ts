import { describe, expect, it } from 'vitest'
import { LowWaterMark } from '../src/lowWaterMark.js'
import type { Tracked } from '../src/lowWaterMark.js'
import { seededRandom } from '../../../test/seededRandom.js'

function tracked(mark: LowWaterMark, offset: number): Tracked {
  const one = { offset, done: false }
  mark.track(one)
  return one
}

describe('the low-water mark', () => {
  it('begins where it is told', () => {
    expect(new LowWaterMark(42).mark).toBe(42)
  })

  it('waits for the oldest, however many younger ones are done', () => {
    const mark = new LowWaterMark(0)
    const [first, ...others] = [0, 1, 2, 3].map((offset) => tracked(mark, offset))
    for (const other of others) expect(mark.finish(other)).toBe(false)
    expect(mark.mark).toBe(0)
    expect(mark.finish(first!)).toBe(true)
    expect(mark.mark).toBe(4)
  })

  it('passes gaps, also behind the last offset', () => {
    const mark = new LowWaterMark(0)
    const fifth = tracked(mark, 5)
    mark.skipTo(9)
    expect(mark.mark).toBe(5)
    mark.finish(fifth)
    expect(mark.mark).toBe(9)
    mark.skipTo(7)
    expect(mark.mark).toBe(9)
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('never passes what is not done, and always what is (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const mark = new LowWaterMark(0)
    const open: Tracked[] = []
    let offset = 0
    for (let step = 0; step < 20_000; step += 1) {
      if (open.length === 0 || (random() < 0.5 && open.length < 300)) {
        offset += 1 + Math.floor(random() * 3)
        open.push(tracked(mark, offset))
      } else {
        // Mostly old ones, so that the front moves.
        const [done] = open.splice(Math.floor(random() ** 3 * open.length), 1)
        mark.finish(done!)
      }
      const lowest = open.length === 0 ? offset + 1 : Math.min(...open.map((one) => one.offset))
      if (mark.mark !== lowest) expect(mark.mark).toBe(lowest)
    }
    expect(mark.size).toBeLessThanOrEqual(20_000)
  })
})
