import { describe, expect, it } from 'vitest'
import { nextTurn } from '../src/turns.js'
import { createVirtualClock } from '../src/virtualClock.js'

describe('createVirtualClock', () => {
  it('stands still until it is moved', async () => {
    const clock = createVirtualClock(1_000)
    await nextTurn()
    expect([clock.now(), clock.monotonic()]).toEqual([1_000, 0])
    await clock.advance(250)
    expect([clock.now(), clock.monotonic()]).toEqual([1_250, 250])
  })

  it('fires due timers by their time, those of one time in the order of their making', async () => {
    const clock = createVirtualClock()
    const fired: [string, number][] = []
    const note = (name: string) => () => void fired.push([name, clock.monotonic()])
    clock.schedule(30, note('third'))
    clock.schedule(10, note('first'))
    clock.schedule(10, note('second'))
    clock.schedule(31, note('later'))
    await clock.advance(30)
    expect(fired).toEqual([
      ['first', 10],
      ['second', 10],
      ['third', 30],
    ])
    expect(clock.pending).toBe(1)
  })

  it('fires a timer that another one makes within the same move', async () => {
    const clock = createVirtualClock()
    const times: number[] = []
    clock.schedule(10, () => clock.schedule(5, () => times.push(clock.monotonic())))
    await clock.advance(100)
    expect(times).toEqual([15])
  })

  it('lets promise jobs and later turns run before the time goes on', async () => {
    const clock = createVirtualClock()
    const seen: number[] = []
    const work = async (): Promise<void> => {
      await Promise.resolve()
      await nextTurn()
      seen.push(clock.monotonic())
    }
    clock.schedule(10, () => void work())
    clock.schedule(20, () => undefined)
    await clock.advance(20)
    expect(seen).toEqual([10])
  })

  it('does not fire what was cancelled', async () => {
    const clock = createVirtualClock()
    let fired = false
    clock.schedule(10, () => (fired = true)).cancel()
    await clock.advance(10)
    expect([fired, clock.pending]).toEqual([false, 0])
  })

  it('makes moves that overlap one after the other', async () => {
    const clock = createVirtualClock()
    const times: number[] = []
    clock.schedule(15, () => times.push(clock.monotonic()))
    await Promise.all([clock.advance(10), clock.advance(10)])
    expect([times, clock.monotonic()]).toEqual([[15], 20])
  })

  it('runs all timers but those in the background', async () => {
    const clock = createVirtualClock()
    const fired: string[] = []
    clock.schedule(3_600_000, () => fired.push('far'))
    clock.schedule(1_000, () => fired.push('background, on the way'), { background: true })
    clock.schedule(7_200_000, () => fired.push('background'), { background: true })
    await clock.runAll()
    expect(fired).toEqual(['background, on the way', 'far'])
    expect([clock.monotonic(), clock.pending]).toEqual([3_600_000, 1])
  })

  it('rejects the move whose timer throws, and moves on at the next call', async () => {
    const clock = createVirtualClock()
    clock.schedule(10, () => {
      throw new Error('from a timer')
    })
    await expect(clock.advance(10)).rejects.toThrow('from a timer')
    await clock.advance(10)
    expect(clock.monotonic()).toBe(20)
  })
})
