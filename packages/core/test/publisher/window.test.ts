import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createDeadlines } from '../../src/deadlines.js'
import { createWindow } from '../../src/publisher/window.js'
import type { Window } from '../../src/publisher/window.js'
import { seededRandom } from '../../../../test/seededRandom.js'

interface Bench {
  readonly window: Window
  readonly clock: VirtualClock
  readonly log: string[]
  /** Wants a place; what happens stands in `log`. */
  want(name: string, bytes: number, more?: { deadline?: number; signal?: AbortSignal }): void
}

function createBench(maxCount: number, maxBytes: number): Bench {
  const clock = createVirtualClock()
  const window = createWindow(maxCount, maxBytes, createDeadlines(clock))
  const log: string[] = []
  return {
    window,
    clock,
    log,
    want(name, bytes, { deadline = 1_000_000, signal } = {}) {
      window.enter({
        bytes,
        deadline,
        ...(signal === undefined ? {} : { signal }),
        admit: () => log.push(`admit ${name}`),
        refuse: (error) => log.push(`refuse ${name} ${error.code} ${error.outcome}`),
      })
    },
  }
}

it('lets in by count, and the rest in order as places become free', () => {
  const { window, want, log } = createBench(2, 1_000)
  for (const name of ['a', 'b', 'c', 'd']) want(name, 1)
  expect(log).toEqual(['admit a', 'admit b'])
  expect(window).toMatchObject({ count: 2, bytes: 2, waiting: 2 })
  window.leave(1)
  window.leave(1)
  expect(log).toEqual(['admit a', 'admit b', 'admit c', 'admit d'])
})

it('lets in by bytes', () => {
  const { window, want, log } = createBench(100, 10)
  want('a', 6)
  want('b', 4)
  want('c', 1)
  expect(log).toEqual(['admit a', 'admit b'])
  window.leave(4)
  expect(log).toEqual(['admit a', 'admit b', 'admit c'])
})

it('lets a message larger than the whole window in alone', () => {
  const { window, want, log } = createBench(100, 10)
  want('small', 1)
  want('huge', 50)
  want('next', 1)
  expect(log).toEqual(['admit small'])
  window.leave(1)
  expect(log).toEqual(['admit small', 'admit huge'])
  window.leave(50)
  expect(log).toEqual(['admit small', 'admit huge', 'admit next'])
})

it('does not let a small one overtake a large one that waits', () => {
  const { window, want, log } = createBench(100, 10)
  want('a', 8)
  want('large', 8)
  want('small', 1)
  expect(log).toEqual(['admit a'])
  expect(window.tryEnter(1)).toBe(false)
})

it('refuses at the deadline, saying that nothing was sent', async () => {
  const { window, want, log, clock } = createBench(1, 1_000)
  want('a', 1)
  want('b', 1, { deadline: 500 })
  await clock.advance(499)
  expect(log).toEqual(['admit a'])
  await clock.advance(1)
  expect(log).toEqual(['admit a', 'refuse b POSTHORN_PUBLISH_DEADLINE notSent'])
  window.leave(1)
  expect(window).toMatchObject({ count: 0, bytes: 0, waiting: 0 })
})

it('refuses at once when the signal has fired or fires', () => {
  const { want, log, window } = createBench(1, 1_000)
  const late = new AbortController()
  want('a', 1)
  want('b', 1, { signal: AbortSignal.abort() })
  want('c', 1, { signal: late.signal })
  late.abort()
  expect(log).toEqual([
    'admit a',
    'refuse b POSTHORN_PUBLISH_ABORTED notSent',
    'refuse c POSTHORN_PUBLISH_ABORTED notSent',
  ])
  expect(window.waiting).toBe(0)
})

describe('a waiter that gives up', () => {
  it('by its signal lets those behind it in that fit', () => {
    const { want, log } = createBench(100, 10)
    const giving = new AbortController()
    want('a', 5)
    want('large', 9, { signal: giving.signal })
    want('small', 1)
    expect(log).toEqual(['admit a'])
    giving.abort()
    expect(log).toEqual(['admit a', 'refuse large POSTHORN_PUBLISH_ABORTED notSent', 'admit small'])
  })

  it('by its deadline lets those behind it in that fit', async () => {
    const { want, log, clock } = createBench(100, 10)
    want('a', 5)
    want('large', 9, { deadline: 100 })
    want('small', 1)
    await clock.advance(100)
    expect(log).toEqual(['admit a', 'refuse large POSTHORN_PUBLISH_DEADLINE notSent', 'admit small'])
  })
})

it('an admitted request ignores its deadline and its signal', async () => {
  const { want, log, clock } = createBench(1, 10)
  const controller = new AbortController()
  want('a', 1, { deadline: 10, signal: controller.signal })
  controller.abort()
  await clock.advance(100)
  expect(log).toEqual(['admit a'])
})

for (const seed of [1, 2, 3, 4, 5]) {
  it(`keeps order and bounds over a random run (seed ${seed})`, () => {
    const random = seededRandom(seed)
    const { window, want, log } = createBench(5, 100)
    const inside: number[] = []
    const sizes = new Map<string, number>()
    let wanted = 0
    for (let step = 0; step < 2_000; step += 1) {
      if (random() < 0.55) {
        const bytes = 1 + Math.floor(random() * (random() < 0.05 ? 200 : 40))
        sizes.set(`m${wanted}`, bytes)
        want(`m${wanted}`, bytes)
        wanted += 1
      } else if (inside.length > 0) {
        window.leave(inside.splice(Math.floor(random() * inside.length), 1)[0]!)
      }
      for (const line of log.splice(0)) inside.push(sizes.get(line.slice(6))!)
      const bytes = inside.reduce((sum, size) => sum + size, 0)
      expect(window.count).toBe(inside.length)
      expect(window.bytes).toBe(bytes)
      expect(inside.length).toBeLessThanOrEqual(5)
      if (bytes > 100) expect(inside.length).toBe(1)
    }
    expect(window.waiting + inside.length).toBeGreaterThan(0)
  })
}
