import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../src/clock.js'
import type { Clock } from '../src/clock.js'
import { watchEventLoop } from '../src/eventLoopWatch.js'
import type { EventLoopWatch } from '../src/eventLoopWatch.js'

let watch: EventLoopWatch
afterEach(() => watch.stop())

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** What a watch tells, until the test ends. */
function watching(warnMs: number, clock: Clock = systemClock): number[] {
  const told: number[] = []
  watch = watchEventLoop({ clock, warnMs, onBlocked: (blockedMs) => told.push(blockedMs) })
  return told
}

/** Counts blocks of at least so long, those of a busy machine included. */
function countBlocks(leastMs: number): { count(): number; stop(): void } {
  let count = 0
  let lastAt = performance.now()
  const look = (): void => {
    if (performance.now() - lastAt >= leastMs) count += 1
    lastAt = performance.now()
  }
  const timer = setInterval(look, 10)
  return { count: () => count, stop: () => clearInterval(timer) }
}

describe('watching the event loop', () => {
  it('tells of a block, how long it was, and remembers it for a while', async () => {
    const told = watching(300)
    await pause(50)
    block(600)
    while (!told.some((blockedMs) => blockedMs >= 500)) await pause(10)
    expect(watch.longestMs).toBeGreaterThanOrEqual(Math.max(...told))
  })

  it('tells once of each', async () => {
    const blocks = countBlocks(400)
    const told = watching(500)
    await pause(50)
    block(800)
    while (told.length === 0) await pause(10)
    await pause(700) // Several samples later.
    blocks.stop()
    expect(told.length).toBeLessThanOrEqual(blocks.count())
  })

  it('forgets what is long ago, and tells nothing once it is stopped', async () => {
    let now = 0
    const told = watching(100, { ...systemClock, monotonic: () => now })
    await pause(50)
    block(600)
    while (!told.some((blockedMs) => blockedMs >= 500)) await pause(10)
    now = 30_000
    await pause(200)
    expect(watch.longestMs).toBeGreaterThanOrEqual(500)
    while (watch.longestMs >= 500) {
      now += 30_000
      await pause(200)
    }
    watch.stop()
    const before = told.length
    block(300)
    await pause(200)
    expect(told).toHaveLength(before)
  })

  it('keeps no process alive', () => {
    const before = process.getActiveResourcesInfo()
    watching(300)
    expect(process.getActiveResourcesInfo()).toEqual(before) // What is listed there keeps it alive.
  })
})
