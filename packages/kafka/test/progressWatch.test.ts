import { silentLogger } from '@posthorn/core/adapter'
import { expect, it } from 'vitest'
import { createCounts } from '../src/counts.js'
import { watchProgress } from '../src/progressWatch.js'
import type { WatchParts } from '../src/progressWatch.js'
import { createManualClock } from './support/manualClock.js'
import type { ManualClock } from './support/manualClock.js'

const intervalMs = 30_000

interface Scene {
  readonly clock: ManualClock
  position: number
  high: number
  readable: number
  isIdle: boolean
  isAway: boolean
  rebuilt: number
  why: string | undefined
  stop(): void
}

function createScene(): Scene {
  const clock = createManualClock()
  const answer = async <T>(value: T): Promise<T> => {
    if (scene.isAway) throw new Error('away')
    return value
  }
  const consumer = {
    topic: 'orders',
    groupId: 'orders.billing',
    starving: () => new Map([[0, scene.position]]),
    rebuild: () => void (scene.rebuilt += 1),
  }
  const driver = {
    logOffsets: () => answer(new Map([[0, { low: 0, high: scene.high }]])),
    committed: () => answer(new Map()),
    readableEnds: () => answer(new Map([[0, scene.readable]])),
  }
  const watch = watchProgress({
    consumer: consumer as unknown as WatchParts['consumer'],
    driver: driver as WatchParts['driver'],
    intervalMs,
    counts: createCounts(),
    isIdle: () => scene.isIdle,
    onStarving: (why) => void (scene.why = why),
    onLag: () => {},
    clock,
    logger: silentLogger,
  })
  const scene: Scene = {
    clock,
    position: 5,
    high: 9,
    readable: 9,
    isIdle: true,
    isAway: false,
    rebuilt: 0,
    why: undefined,
    stop: () => watch.stop(),
  }
  return scene
}

async function starved(): Promise<Scene> {
  const scene = createScene()
  await scene.clock.advance(2 * intervalMs)
  expect([scene.rebuilt, scene.why]).toEqual([1, undefined])
  await scene.clock.advance(2 * intervalMs)
  expect(scene.why).toBeUndefined()
  await scene.clock.advance(intervalMs)
  return scene
}

it('a new consumer that stands where the one before stood is told of after three looks, not replaced again', async () => {
  const scene = await starved()
  expect(scene.why).toContain('partition 0 of orders from offset 5')
  await scene.clock.advance(10 * intervalMs)
  expect([scene.rebuilt, scene.why === undefined]).toEqual([1, false])
  scene.stop()
  expect(scene.why).toBeUndefined()
})

it.each([
  ['it moves', (scene: Scene) => void (scene.position = 6)],
  ['the cluster does not answer', (scene: Scene) => void (scene.isAway = true)],
  ['an open transaction holds back the rest', (scene: Scene) => void (scene.readable = 5)],
  ['handlers still have something', (scene: Scene) => void (scene.isIdle = false)],
])('it is told of no more when %s', async (_, change) => {
  const scene = await starved()
  change(scene)
  await scene.clock.advance(intervalMs)
  expect(scene.why).toBeUndefined()
  scene.stop()
})

it('nobody starves in an outage, however long', async () => {
  const scene = createScene()
  scene.isAway = true
  await scene.clock.advance(1_000 * intervalMs)
  expect([scene.rebuilt, scene.why]).toEqual([0, undefined])
  scene.stop()
})
