import { describe, expect, it } from 'vitest'
import { createRungPause } from '../src/rungPause.js'

const pause = createRungPause(5_000)

describe('a message of a rung', () => {
  it('is due its delay after it was written', () => {
    expect(pause.dueAtMs(1_000, 4_000)).toBe(6_000)
  })

  it('is due its delay after it was seen when the clock of its writer is ahead', () => {
    expect(pause.dueAtMs(90_000, 4_000)).toBe(9_000)
  })

  it('is due its delay after it was seen when it has no time', () => {
    expect(pause.dueAtMs(-1, 4_000)).toBe(9_000)
  })
})
