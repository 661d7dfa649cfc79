import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createProgressWatch } from '../src/progressWatch.js'
import type { ProgressWatch } from '../src/progressWatch.js'

interface Scene {
  readonly watch: ProgressWatch
  readonly clock: VirtualClock
  readonly told: number[]
  steps: number
  isExcused: boolean
}

function scene(limitMs: number | false): Scene {
  const clock = createVirtualClock()
  const told: number[] = []
  const watch = createProgressWatch({
    clock,
    limitMs,
    progress: () => made.steps,
    isExcused: () => made.isExcused,
    onStandstill: (standstillMs) => told.push(standstillMs),
  })
  const made: Scene = { watch, clock, told, steps: 0, isExcused: false }
  return made
}

describe('a watch for progress', () => {
  it('finds a standstill after its limit, tells it once, and forgets it with the next step', async () => {
    const one = scene(60_000)
    one.watch.start()
    await one.clock.advance(57_000)
    expect(one.watch.standsStill).toBe(false)
    await one.clock.advance(3_000)
    expect([one.watch.standsStill, one.told]).toEqual([true, [60_000]])
    await one.clock.advance(600_000)
    expect(one.told).toHaveLength(1)
    one.steps += 1
    await one.clock.advance(3_000)
    expect(one.watch.standsStill).toBe(false)
    await one.clock.advance(60_000)
    expect([one.watch.standsStill, one.told.length]).toEqual([true, 2])
  })

  it('does not count the time in which no progress can be expected', async () => {
    const one = scene(60_000)
    one.watch.start()
    await one.clock.advance(57_000)
    one.isExcused = true
    await one.clock.advance(3_600_000)
    one.isExcused = false
    await one.clock.advance(57_000)
    expect(one.watch.standsStill).toBe(false)
    await one.clock.advance(3_000)
    expect(one.watch.standsStill).toBe(true)
  })

  it('takes a process that was paused for an hour for one that was a moment late', () => {
    let nowMs = 0
    let fire = (): void => {}
    const clock = {
      now: () => nowMs,
      monotonic: () => nowMs,
      schedule: (_: number, action: () => void) => {
        fire = action
        return { cancel: () => {} }
      },
    }
    const options = { clock, limitMs: 60_000, progress: () => 0, isExcused: () => false }
    const watch = createProgressWatch(options)
    watch.start()
    nowMs = 3_600_000
    fire()
    expect(watch.standsStill).toBe(false)
    for (let looks = 0; looks < 18; looks += 1) {
      nowMs += 3_000
      fire()
    }
    expect(watch.standsStill).toBe(true)
  })

  it('looks at nothing while it is stopped, and begins anew', async () => {
    const one = scene(60_000)
    one.watch.start()
    one.watch.start()
    await one.clock.advance(60_000)
    one.watch.stop()
    expect([one.watch.standsStill, one.clock.pending]).toEqual([false, 0])
    await one.clock.advance(600_000)
    one.watch.start()
    await one.clock.advance(57_000)
    expect(one.watch.standsStill).toBe(false)
  })

  it('never finds one when it is told so', async () => {
    const one = scene(false)
    one.watch.start()
    await one.clock.advance(86_400_000)
    expect([one.watch.standsStill, one.clock.pending]).toEqual([false, 0])
  })
})
