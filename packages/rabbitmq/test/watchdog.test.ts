import { silentLogger } from '@posthorn/core'
import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createWatchdog } from '../src/watchdog.js'
import type { ConsumerProgress, QueueFacts, Watchdog } from '../src/watchdog.js'

interface Scene {
  readonly watchdog: Watchdog
  readonly clock: VirtualClock
  progress: ConsumerProgress | undefined
  facts: QueueFacts | Error
  repairs: number
}

const intervalMs = 30_000
const starving: ConsumerProgress = { position: 0, hasRoom: true }

function createScene(): Scene {
  const clock = createVirtualClock()
  const watchdog = createWatchdog({
    intervalMs,
    ordered: false,
    clock,
    logger: silentLogger,
    progress: () => scene.progress,
    ask: () => (scene.facts instanceof Error ? Promise.reject(scene.facts) : Promise.resolve(scene.facts)),
    onStuck: () => void (scene.repairs += 1),
  })
  const scene: Scene = { watchdog, clock, progress: starving, facts: { messageCount: 5, consumerCount: 1 }, repairs: 0 }
  return scene
}

async function helpless(): Promise<Scene> {
  const scene = createScene()
  await scene.clock.advance(20 * intervalMs)
  expect([scene.repairs > 3, scene.watchdog.isHelpless]).toEqual([true, true])
  return scene
}

describe('a watchdog', () => {
  it('is helpless only after four subscriptions came to nothing', async () => {
    const scene = createScene()
    while (scene.repairs < 3) await scene.clock.advance(intervalMs)
    expect(scene.watchdog.isHelpless).toBe(false)
    while (scene.repairs < 4) await scene.clock.advance(intervalMs)
    expect(scene.watchdog.isHelpless).toBe(true)
    scene.watchdog.stop()
  })

  it.each([
    ['something is delivered', (scene: Scene) => void (scene.progress = { position: 1, hasRoom: true })],
    ['the queue is empty', (scene: Scene) => void (scene.facts = { messageCount: 0, consumerCount: 1 })],
    ['the broker does not answer', (scene: Scene) => void (scene.facts = new Error('away'))],
    ['there is no connection', (scene: Scene) => void (scene.progress = undefined)],
    ['nothing more is wanted', (scene: Scene) => void (scene.progress = { position: 0, hasRoom: false })],
  ])('is not helpless any more when %s', async (_, change) => {
    const scene = await helpless()
    change(scene)
    await scene.clock.advance(3 * intervalMs)
    expect(scene.watchdog.isHelpless).toBe(false)
    scene.watchdog.stop()
  })

  it('is not helpless in an outage, however long', async () => {
    const scene = createScene()
    scene.facts = new Error('away')
    await scene.clock.advance(1_000 * intervalMs)
    expect([scene.repairs, scene.watchdog.isHelpless]).toEqual([0, false])
    scene.watchdog.stop()
  })
})
