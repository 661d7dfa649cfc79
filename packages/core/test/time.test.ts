import { createVirtualClock } from '@posthorn/memory'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fullJitter } from '../src/backoff.js'
import { systemClock } from '../src/clock.js'
import { pause } from '../src/pause.js'
import { isSettled } from './rejections.js'

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

describe('a pause', () => {
  it('is over after its time, not before, and leaves nothing behind', async () => {
    const clock = createVirtualClock()
    const { signal } = new AbortController()
    const removed = vi.spyOn(signal, 'removeEventListener')
    const paused = pause(clock, 100, signal)
    await clock.advance(99)
    expect(await isSettled(paused)).toBe(false)
    await clock.advance(1)
    expect(await isSettled(paused)).toBe(true)
    expect(clock.pending).toBe(0)
    expect(removed).toHaveBeenCalledTimes(1)
  })

  it('is over as soon as its signal fires, also when that has fired before', async () => {
    const clock = createVirtualClock()
    const controller = new AbortController()
    const paused = pause(clock, 100, controller.signal)
    controller.abort()
    await paused
    await pause(clock, 100, controller.signal)
    expect(clock.pending).toBe(0)
    expect(clock.monotonic()).toBe(0)
  })
})

describe('the machine’s clock', () => {
  afterEach(() => void vi.restoreAllMocks())

  it('asks Node.js for no delay that would fire at once instead of late', () => {
    const asked = vi.spyOn(globalThis, 'setTimeout')
    for (const delayMs of [2 ** 31, Number.MAX_SAFE_INTEGER, Infinity, -5]) {
      systemClock.schedule(delayMs, () => expect.unreachable()).cancel()
    }
    expect(asked.mock.calls.map(([, delayMs]) => delayMs)).toEqual([2_147_483_647, 2_147_483_647, 2_147_483_647, 0])
  })

  it('keeps the process alive for timers, but not for those in the background', () => {
    const asked = vi.spyOn(globalThis, 'setTimeout')
    const timers = [undefined, { background: false }, { background: true }].map((options) =>
      systemClock.schedule(60_000, () => {}, options),
    )
    const made = asked.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())
    for (const timer of timers) timer.cancel()
    expect(made).toEqual([true, true, false])
  })

  it('fires once, unless it is cancelled', async () => {
    const fired: string[] = []
    await new Promise<void>((resolve) => {
      systemClock.schedule(0, () => void fired.push('cancelled')).cancel()
      systemClock.schedule(1, () => {
        fired.push('fired')
        resolve()
      })
    })
    expect(fired).toEqual(['fired'])
  })

  it('tells wall time and a time that never jumps apart', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000)
    expect(systemClock.monotonic()).toBeLessThan(Date.UTC(2020, 0, 1))
  })
})
