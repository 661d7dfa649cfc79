import { createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../src/clock.js'
import { createDeadlines } from '../src/deadlines.js'
import type { DeadlineEntry } from '../src/deadlines.js'
import { seededRandom } from '../../../test/seededRandom.js'

it('calls each once, in the order of time, and none that was cleared (random)', async () => {
  const random = seededRandom(17)
  const clock = createVirtualClock()
  const deadlines = createDeadlines(clock)
  const due: { at: number; fired: number }[] = []
  const expected: number[] = []
  const cleared: (() => void)[] = []
  for (let index = 0; index < 200; index += 1) {
    const at = Math.floor(random() * 1_000)
    const watched = deadlines.watch(at, () => void due.push({ at, fired: clock.monotonic() }))
    if (random() < 0.4) cleared.push(watched.clear)
    else expected.push(at)
  }
  for (const clear of cleared) clear()
  await clock.advance(1_000)
  expect(due.map(({ at }) => at)).toEqual(expected.toSorted((a, b) => a - b))
  expect(due.filter(({ at, fired }) => fired !== at)).toEqual([])
  await clock.advance(10_000)
  expect(due).toHaveLength(expected.length)
})

it('watches with one timer, whatever is added', () => {
  const clock = createVirtualClock()
  const deadlines = createDeadlines(clock)
  for (let at = 1_000; at > 0; at -= 1) deadlines.watch(at, () => {})
  expect(clock.pending).toBe(1)
})

it('calls at the next turn what is overdue when it is added, never within the call that adds it', async () => {
  const clock = createVirtualClock()
  await clock.advance(500)
  const deadlines = createDeadlines(clock)
  const due: string[] = []
  deadlines.watch(100, () => due.push('past'))
  deadlines.watch(-Infinity, () => due.push('long past'))
  expect(due).toEqual([])
  await clock.advance(0)
  expect(due).toEqual(['long past', 'past'])
})

it('never calls what is due never', async () => {
  const clock = createVirtualClock()
  const deadlines = createDeadlines(clock)
  deadlines.watch(Infinity, () => expect.unreachable())
  deadlines.watch(50, () => {})
  await clock.advance(1_000_000)
  expect(clock.pending).toBe(0)
})

describe('an entry of its own', () => {
  interface Entry extends DeadlineEntry {
    calls: number
  }
  const entryAt = (at: number): Entry => {
    const entry: Entry = { at, slot: -1, calls: 0, onDue: () => void (entry.calls += 1) }
    return entry
  }

  it('is called once, and may be removed before, after, and twice', async () => {
    const clock = createVirtualClock()
    const deadlines = createDeadlines(clock)
    const [kept, removed] = [entryAt(10), entryAt(10)]
    deadlines.add(kept)
    deadlines.add(removed)
    deadlines.remove(removed)
    deadlines.remove(removed)
    await clock.advance(20)
    deadlines.remove(kept)
    expect([kept.calls, removed.calls]).toEqual([1, 0])
  })

  it('may be added again when it was called', async () => {
    const clock = createVirtualClock()
    const deadlines = createDeadlines(clock)
    const times: number[] = []
    const entry = {
      at: 10,
      slot: -1,
      onDue() {
        times.push(clock.monotonic())
        if (times.length === 3) return
        entry.at += 10
        deadlines.add(entry)
      },
    }
    deadlines.add(entry)
    await clock.advance(100)
    expect(times).toEqual([10, 20, 30])
  })

  it('is not called any more when another one’s callback removed it before its time', async () => {
    const clock = createVirtualClock()
    const deadlines = createDeadlines(clock)
    const second = entryAt(10)
    deadlines.watch(5, () => deadlines.remove(second))
    const third = entryAt(10)
    deadlines.add(second)
    deadlines.add(third)
    await clock.advance(10)
    expect([second.calls, third.calls]).toEqual([0, 1])
  })
})

it('is not early with a clock of fractions: Node.js timers may fire before their time', () => {
  let now = 0.25
  const timers: { delayMs: number; action: () => void }[] = []
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    schedule(delayMs, action) {
      timers.push({ delayMs, action })
      return { cancel: () => {} }
    },
  }
  const deadlines = createDeadlines(clock)
  let calls = 0
  deadlines.watch(10, () => void (calls += 1))
  expect(timers[0]?.delayMs).toBe(10)
  now = 9.999
  timers.shift()!.action()
  expect(calls).toBe(0)
  now = 10
  timers.shift()!.action()
  expect(calls).toBe(1)
})
