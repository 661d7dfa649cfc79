import { describe, expect, it } from 'vitest'
import { createTurns } from '../src/turns.js'
import type { Turns } from '../src/turns.js'
import { createManualClock } from './support/manualClock.js'
import type { ManualClock } from './support/manualClock.js'

function rig(): { turns: Turns; clock: ManualClock; called: string[]; ask: (owner: string) => () => void } {
  const clock = createManualClock()
  const called: string[] = []
  return { turns: createTurns(clock), clock, called, ask: (owner) => () => void called.push(owner) }
}

const first = { name: 'first' }
const second = { name: 'second' }

describe('turns', () => {
  it('tell everybody who waits when they are over, with the handler of the first one still at work', async () => {
    const { turns, clock, called, ask } = rig()
    turns.begin()
    expect(turns.take(first, ask('first'))).toBe(true)
    turns.wait(first, ask('first'))
    expect(turns.take(second, ask('second'))).toBe(false)
    await clock.advance(9_999)
    expect([called, turns.isOver]).toEqual([[], false])
    await clock.advance(1)
    expect([called, turns.isOver]).toEqual([['first', 'second'], true])
  })

  it('that begin anew end anew, whoever has tried something by then', async () => {
    const { turns, clock, called, ask } = rig()
    turns.take(first, ask('first'))
    await clock.advance(15_000)
    turns.begin()
    expect(turns.isOver).toBe(false)
    turns.wait(first, ask('first'))
    await clock.advance(10_000)
    expect([called, turns.isOver]).toEqual([['first'], true])
    turns.giveBack(first)
    turns.begin()
    turns.wait(second, ask('second'))
    await clock.advance(10_000)
    expect([called, turns.isOver]).toEqual([['first', 'second'], true])
  })

  it('that begin anew in the middle last as long as the others', async () => {
    const { turns, clock, called, ask } = rig()
    turns.take(first, ask('first'))
    turns.wait(first, ask('first'))
    await clock.advance(6_000)
    turns.begin()
    await clock.advance(9_000)
    expect([called, turns.isOver]).toEqual([[], false])
    await clock.advance(1_000)
    expect([called, turns.isOver]).toEqual([['first'], true])
  })

  it('leave no timer behind once nobody wants any', async () => {
    const { turns, clock, called, ask } = rig()
    turns.take(first, ask('first'))
    turns.take(second, ask('second'))
    turns.giveBack(first)
    expect(called).toEqual(['second'])
    turns.take(second, ask('second'))
    turns.wait(second, ask('second'))
    turns.giveBack(second)
    expect(clock.pendingCount).toBe(0)
    await clock.advance(20_000)
    expect(called).toEqual(['second'])
  })
})
