import type { Clock } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createSilenceWatch } from '../src/silenceWatch.js'
import type { SilenceWatch } from '../src/silenceWatch.js'

interface Rig {
  readonly watch: SilenceWatch
  readonly silences: () => number
  readonly pass: (ms: number) => void
  expecting: boolean
  extraMs: number
}

/** A clock that moves when the test says so. */
function rig(): Rig {
  let now = 0
  let timers: { readonly at: number; readonly run: () => void }[] = []
  const clock = {
    now: () => now,
    monotonic: () => now,
    schedule(delayMs: number, run: () => void) {
      const timer = { at: now + delayMs, run }
      timers.push(timer)
      return { cancel: () => (timers = timers.filter((one) => one !== timer)) }
    },
  } as unknown as Clock
  let silences = 0
  const self: Rig = {
    watch: createSilenceWatch({
      clock,
      isExpecting: () => self.expecting,
      extraMs: () => self.extraMs,
      onSilence: () => (silences += 1),
    }),
    silences: () => silences,
    pass(ms) {
      const end = now + ms
      for (;;) {
        const due = timers.filter(({ at }) => at <= end).toSorted((left, right) => left.at - right.at)[0]
        if (due === undefined) break
        timers = timers.filter((one) => one !== due)
        now = due.at
        due.run()
      }
      now = end
    },
    expecting: true,
    extraMs: 0,
  }
  return self
}

describe('a watch over silence', () => {
  it('speaks when nothing was answered for ten seconds, and again after ten more', () => {
    const { watch, silences, pass } = rig()
    watch.start()
    pass(9_000)
    expect(silences()).toBe(0)
    pass(1_000)
    expect(silences()).toBe(1)
    pass(10_000)
    expect(silences()).toBe(2)
  })

  it('keeps quiet while answers come, however rarely', () => {
    const { watch, silences, pass } = rig()
    watch.start()
    for (let round = 0; round < 20; round += 1) {
      pass(7_000)
      watch.answered()
    }
    expect(silences()).toBe(0)
  })

  it('is patient as long as what is to be answered needs', () => {
    const self = rig()
    self.extraMs = 5_000
    self.watch.start()
    self.pass(14_000)
    expect(self.silences()).toBe(0)
    self.pass(1_000)
    expect(self.silences()).toBe(1)
    self.extraMs = 0
    self.pass(10_000)
    expect(self.silences()).toBe(2)
  })

  it('ends when nothing is owed, and begins anew from the next start', () => {
    const self = rig()
    self.watch.start()
    self.pass(8_000)
    self.expecting = false
    self.pass(60_000)
    self.expecting = true
    self.pass(60_000)
    expect(self.silences()).toBe(0)
    self.watch.start()
    self.pass(9_000)
    expect(self.silences()).toBe(0)
    self.pass(1_000)
    expect(self.silences()).toBe(1)
  })

  it('watches once, however often it is started, and not after a stop', () => {
    const { watch, silences, pass } = rig()
    for (let call = 0; call < 10; call += 1) watch.start()
    pass(10_000)
    expect(silences()).toBe(1)
    watch.stop()
    pass(60_000)
    expect(silences()).toBe(1)
  })
})
