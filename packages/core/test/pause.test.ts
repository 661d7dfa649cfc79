import { createVirtualClock } from '@posthorn/memory'
import { describe, expect, it, vi } from 'vitest'
import { pause } from '../src/pause.js'
import { isSettled } from './rejections.js'

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

  it('is over with the first of several signals, and leaves nothing on the others', async () => {
    const clock = createVirtualClock()
    const [one, other] = [new AbortController(), new AbortController()]
    const removed = vi.spyOn(one.signal, 'removeEventListener')
    const paused = pause(clock, 100, one.signal, other.signal)
    other.abort()
    await paused
    await pause(clock, 100, one.signal, other.signal)
    expect(removed).toHaveBeenCalledTimes(1)
    expect([clock.pending, clock.monotonic()]).toEqual([0, 0])
  })
})
