import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../src/clock.js'

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
