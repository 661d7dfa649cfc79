import { createService, OutboxError, silentLogger } from '@posthorn/core'
import { createMemory, createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { expect, it } from 'vitest'
import { createInbox } from '../src/index.js'
import type { Inbox, InboxOptions, MemoryTransaction } from '../src/index.js'
import { createLedger, rejectionCode } from './fixtures.js'

const hourMs = 3_600_000

interface Scene {
  readonly inbox: Inbox<MemoryTransaction>
  readonly service: ReturnType<typeof createService>
  readonly clock: VirtualClock
  readonly log: string[]
  /** Replaced by tests. */
  maintain: () => Promise<{ created: number; dropped: number }>
}

function createScene(options: Omit<InboxOptions<MemoryTransaction>, 'store' | 'outbox'> = {}): Scene {
  const clock = createVirtualClock()
  const log: string[] = []
  const { store } = createLedger(clock)
  const maintain = async (): Promise<{ created: number; dropped: number }> => {
    log.push('maintain')
    return { created: 1, dropped: 2 }
  }
  const scene: Scene = {
    inbox: createInbox({ ...options, store: { ...store, maintain: () => scene.maintain() } }),
    service: createService({ source: '/shop', transport: createMemory({ clock }), clock, logger: silentLogger }),
    clock,
    log,
    maintain,
  }
  scene.service.attach(scene.inbox)
  return scene
}

it('the upkeep runs before the consumers receive, then every hour, and ends with the service', async () => {
  const { inbox, service, clock, log } = createScene()
  expect(inbox).toMatchObject({ name: 'inbox', startsBeforeConsumers: true })
  expect(inbox.health()).toMatchObject({ ready: false })
  await service.start()
  expect(log).toHaveLength(1)
  await clock.advance(2 * hourMs)
  expect(log).toHaveLength(3)
  expect(service.health().parts['inbox']).toEqual({
    ready: true,
    live: true,
    reasons: [],
    handled: 0,
    duplicates: 0,
    expired: 0,
    dropped: 6,
  })
  await service.stop()
  await clock.advance(5 * hourMs)
  expect(log).toHaveLength(3)
  expect(clock.pending).toBe(0)
  expect(inbox.health().ready).toBe(false)
})

it('a failure of the upkeep shows in the health and is tried again, and the inbox stays ready', async () => {
  const scene = createScene({ maintenanceIntervalMs: 1_000, name: 'seen' })
  const { service, clock, maintain } = scene
  await service.start()
  scene.maintain = () => Promise.reject(new Error('database is away'))
  await clock.advance(1_000)
  expect(service.health().parts['seen']).toMatchObject({
    ready: true,
    reasons: [{ code: 'upkeepFailed', what: 'upkeep failed: database is away' }],
  })
  scene.maintain = maintain
  await clock.advance(1_000)
  expect(service.health().parts['seen']).toMatchObject({ ready: true, reasons: [] })
  await service.stop()
})

it('a start without tables fails, and one without a database waits where the service does', async () => {
  const broken = createScene()
  broken.maintain = () => Promise.reject(new OutboxError({ code: 'POSTHORN_OUTBOX_SCHEMA', message: 'no tables' }))
  expect(await rejectionCode(broken.service.start({ ifUnavailable: 'wait' }))).toBe('POSTHORN_OUTBOX_SCHEMA')

  const scene = createScene()
  const { maintain, clock, service, log } = scene
  let failures = 2
  scene.maintain = () =>
    failures-- > 0
      ? Promise.reject(new OutboxError({ code: 'POSTHORN_OUTBOX_UNAVAILABLE', message: 'no database' }))
      : maintain()
  const started = service.start({ ifUnavailable: 'wait' })
  await clock.advance(60_000)
  await started
  expect(log).toEqual(['maintain'])
  await service.stop()
})

it('stop waits for an upkeep that is under way, and starts no other', async () => {
  const scene = createScene()
  const { service, clock, log } = scene
  await service.start()
  let end!: () => void
  const gate = new Promise<void>((resolve) => (end = resolve))
  scene.maintain = async () => {
    await gate
    log.push('ended')
    return { created: 0, dropped: 0 }
  }
  await clock.advance(hourMs)
  const stopped = service.stop().then(() => log.push('stopped'))
  await clock.advance(0)
  expect(log).toEqual(['maintain'])
  end()
  await stopped
  expect(log).toEqual(['maintain', 'ended', 'stopped'])
  expect(clock.pending).toBe(0)
})

it('a stop while the first upkeep is under way leaves nothing behind', async () => {
  const scene = createScene()
  const { service, clock, inbox } = scene
  let end!: () => void
  const gate = new Promise<void>((resolve) => (end = resolve))
  scene.maintain = () => gate.then(() => ({ created: 0, dropped: 0 }))
  const code = rejectionCode(service.start())
  await clock.advance(0)
  const stopped = service.stop({ deadlineMs: 1_000 })
  await clock.advance(1_000)
  await stopped
  expect(await code).toBe('POSTHORN_STOPPED')
  end()
  await clock.advance(hourMs)
  expect(clock.pending).toBe(0)
  expect(inbox.health().ready).toBe(false)
})

it('with maintenanceIntervalMs 0 it is left to another process', async () => {
  const { service, clock, log } = createScene({ maintenanceIntervalMs: 0 })
  await service.start()
  await clock.advance(5 * hourMs)
  expect(log).toEqual([])
  expect(service.health().ready).toBe(true)
  await service.stop()
})

it('an inbox runs in one service at a time', async () => {
  const { inbox, service } = createScene()
  const other = createService({ source: '/other', transport: createMemory(), logger: silentLogger })
  other.attach(inbox)
  await service.start()
  expect(await rejectionCode(other.start())).toBe('POSTHORN_ALREADY_STARTED')
  await service.stop()
})
