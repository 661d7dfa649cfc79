import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import type { InFlight } from '../../src/consumer/inFlight.js'
import { createScheduler } from '../../src/consumer/scheduler.js'
import type { Scheduler } from '../../src/consumer/scheduler.js'
import { entryOf, itemOf, nameOf } from '../inFlightItems.js'

interface Bench {
  readonly scheduler: Scheduler
  readonly clock: VirtualClock
  /** `admit a` and `run a b`, in the order of events. */
  readonly log: string[]
  add(...names: string[]): void
}

interface BenchOptions {
  readonly concurrency?: number
  readonly batch?: { readonly maxCount: number; readonly maxWaitMs: number }
  /** Those that need no handler. */
  readonly refuse?: (item: InFlight) => boolean
  /** Called within `run`. */
  readonly onRun?: (items: readonly InFlight[]) => void
}

function createBench({ concurrency = 1, batch, refuse = () => false, onRun = () => {} }: BenchOptions = {}): Bench {
  const clock = createVirtualClock()
  const log: string[] = []
  const entry = entryOf(batch)
  const scheduler = createScheduler({
    concurrency,
    clock,
    admit(item) {
      log.push(`admit ${nameOf(item)}`)
      if (refuse(item)) return false
      item.admitted = true
      item.entry = entry
      return true
    },
    run(_entry, items) {
      log.push(`run ${items.map(nameOf).join(' ')}`)
      onRun(items)
    },
  })
  const add = (...names: string[]): void => {
    for (const name of names) scheduler.ready(itemOf(name), false)
  }
  return { scheduler, clock, log, add }
}

it('reads an item only when a slot is free for it', () => {
  const { scheduler, log, add } = createBench()
  add('a', 'b', 'c')
  expect(log).toEqual(['admit a', 'run a'])
  expect([scheduler.running, scheduler.waiting]).toEqual([1, 2])
  scheduler.freeSlot()
  expect(log).toEqual(['admit a', 'run a', 'admit b', 'run b'])
})

it('reads no item twice that was read before', () => {
  const { scheduler, log } = createBench()
  scheduler.ready(itemOf('a', { admitted: true, entry: entryOf() }), false)
  expect(log).toEqual(['run a'])
})

it('takes no slot for what needs no handler, and goes on with the next', () => {
  const { scheduler, log, add } = createBench({ refuse: (item) => nameOf(item).startsWith('no') })
  add('no-1', 'no-2', 'a', 'no-3', 'b')
  expect(log).toEqual(['admit no-1', 'admit no-2', 'admit a', 'run a'])
  scheduler.freeSlot()
  expect(log.slice(4)).toEqual(['admit no-3', 'admit b', 'run b'])
  scheduler.freeSlot()
  expect([scheduler.running, scheduler.waiting]).toEqual([0, 0])
})

it('puts a repetition before the others', () => {
  const { scheduler, log, add } = createBench()
  add('a', 'b')
  scheduler.ready(itemOf('again'), true)
  scheduler.freeSlot()
  expect(log.at(-1)).toBe('run again')
})

it('does not nest, however many calls end before they return', () => {
  let depth = 0
  let deepest = 0
  const bench: Bench = createBench({
    onRun() {
      depth += 1
      deepest = Math.max(deepest, depth)
      bench.scheduler.freeSlot()
      depth -= 1
    },
  })
  bench.scheduler.pause()
  for (let index = 0; index < 50_000; index += 1) bench.add(`m${index}`)
  bench.scheduler.resume()
  expect(deepest).toBe(1)
  expect([bench.scheduler.running, bench.scheduler.waiting]).toEqual([0, 0])
})

it('goes on after an admit that throws: the next message is handled', () => {
  const { scheduler, log, add } = createBench({
    refuse(item) {
      if (nameOf(item) === 'bad') throw new Error('odd')
      return false
    },
  })
  expect(() => add('bad')).toThrow('odd')
  add('good')
  expect(log).toEqual(['admit bad', 'admit good', 'run good'])
  expect(scheduler.running).toBe(1)
})

describe('while paused', () => {
  it('it reads and starts nothing, also when slots become free', () => {
    const { scheduler, log, add } = createBench()
    add('a', 'b')
    scheduler.pause()
    scheduler.freeSlot()
    add('c')
    expect(log).toEqual(['admit a', 'run a'])
    scheduler.resume()
    expect(log.slice(2)).toEqual(['admit b', 'run b'])
  })

  it('it hands no batch over that becomes due, and does so on resume', async () => {
    const { scheduler, log, add, clock } = createBench({ batch: { maxCount: 5, maxWaitMs: 100 } })
    add('a', 'b')
    scheduler.pause()
    await clock.advance(1_000)
    expect(log).toEqual(['admit a', 'admit b'])
    expect(scheduler.waiting).toBe(1)
    scheduler.resume()
    expect(log.at(-1)).toBe('run a b')
  })
})

describe('batches', () => {
  it('take one slot for all their items', async () => {
    const { scheduler, log, add, clock } = createBench({ batch: { maxCount: 2, maxWaitMs: 100 } })
    add('a', 'b', 'c')
    expect(log).toEqual(['admit a', 'admit b', 'run a b'])
    expect([scheduler.running, scheduler.waiting]).toEqual([1, 1])
    scheduler.freeSlot()
    await clock.advance(100)
    expect(log.slice(3)).toEqual(['admit c', 'run c'])
  })

  it('of different handlers are collected apart', async () => {
    const { scheduler, clock, log } = createBench({ concurrency: 9 })
    const [one, two] = [entryOf({ maxCount: 2, maxWaitMs: 50 }), entryOf({ maxCount: 2, maxWaitMs: 50 })]
    for (const [name, entry] of [
      ['a', one],
      ['b', two],
      ['c', one],
    ] as const)
      scheduler.ready(itemOf(name, { admitted: true, entry }), false)
    expect(log).toEqual(['run a c'])
    await clock.advance(50)
    expect(log).toEqual(['run a c', 'run b'])
  })

  it('leave no timer behind when they were full', () => {
    const { add, clock } = createBench({ batch: { maxCount: 2, maxWaitMs: 100 } })
    add('a', 'b')
    expect(clock.pending).toBe(0)
  })
})

describe('drain', () => {
  it('gives everything that was not started, once: queued, collected, and in full batches', () => {
    const { scheduler, add, clock, log } = createBench({ batch: { maxCount: 2, maxWaitMs: 100 } })
    add('a', 'b') // Runs.
    const full = entryOf({ maxCount: 2, maxWaitMs: 100 })
    const open = entryOf({ maxCount: 3, maxWaitMs: 100 })
    scheduler.freeSlot()
    for (const [name, entry] of [
      ['c', full],
      ['d', open],
      ['e', full],
      ['f', open],
    ] as const)
      scheduler.ready(itemOf(name, { admitted: true, entry }), false)
    add('g', 'h')
    expect(log.at(-1)).toBe('run c e')
    expect(scheduler.drain().map(nameOf).toSorted()).toEqual(['d', 'f', 'g', 'h'])
    expect(scheduler.drain()).toEqual([])
    expect(scheduler.waiting).toBe(0)
    expect(clock.pending).toBe(0)
    scheduler.freeSlot()
    expect(log.at(-1)).toBe('run c e')
  })

  it('gives the items of a full batch that found no slot', async () => {
    const { scheduler, clock } = createBench()
    const batch = entryOf({ maxCount: 5, maxWaitMs: 10 })
    scheduler.ready(itemOf('b1', { admitted: true, entry: batch }), false)
    scheduler.ready(itemOf('b2', { admitted: true, entry: batch }), false)
    scheduler.ready(itemOf('single', { admitted: true, entry: entryOf() }), false)
    await clock.advance(10)
    expect(scheduler.running).toBe(1)
    expect(scheduler.drain().map(nameOf)).toEqual(['b1', 'b2'])
  })
})
