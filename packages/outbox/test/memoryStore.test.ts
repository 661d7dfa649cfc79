import { createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../src/index.js'
import type { InboxKey } from '../src/index.js'

const key = (id: string, time?: Date): InboxKey => ({ consumer: 'billing', source: '/shop', id, time })
const dayMs = 86_400_000

describe('createMemoryStore', () => {
  it('refuses options that cannot work, all at once', () => {
    const wrong = { partitionCount: 0, inboxRetentionMs: 0, firstId: 1, clock: {}, other: 1 } as never
    const refused = (): unknown => createMemoryStore(wrong)
    expect(refused).toThrow(expect.objectContaining({ code: 'POSTHORN_CONFIGURATION' }))
    expect(refused).toThrow(/partitionCount[^]*inboxRetentionMs[^]*firstId/)
  })

  it('forgets what is older than the retention, and does not take it for new then', async () => {
    const clock = createVirtualClock()
    const store = createMemoryStore({ clock, inboxRetentionMs: 2 * dayMs })
    const seen = key('1', new Date(clock.now()))
    expect(await store.transaction((tx) => store.remember(tx, [seen]))).toEqual(['new'])
    await clock.advance(dayMs)
    expect(await store.maintain()).toEqual({ created: 0, dropped: 0 })
    expect(await store.transaction((tx) => store.remember(tx, [seen]))).toEqual(['duplicate'])
    await clock.advance(1.5 * dayMs)
    expect(await store.maintain()).toEqual({ created: 0, dropped: 1 })
    expect(await store.transaction((tx) => store.remember(tx, [seen]))).toEqual(['expired'])
  })

  it('ends one of two transactions that wait for each other', async () => {
    const store = createMemoryStore()
    const [one, two] = [store.begin(), store.begin()]
    await store.remember(one, [key('1')])
    await store.remember(two, [key('2')])
    const waiting = store.remember(one, [key('2')])
    await expect(store.remember(two, [key('1')])).rejects.toMatchObject({ code: 'POSTHORN_OUTBOX_UNAVAILABLE' })
    await two.rollback()
    expect(await waiting).toEqual(['new'])
  })

  it('runs effects with the commit, and never after a rollback', async () => {
    const store = createMemoryStore()
    const effects: string[] = []
    await store.transaction(async (tx) => tx.onCommit(() => effects.push('committed')))
    const failing = store.transaction((tx) => {
      tx.onCommit(() => effects.push('rolled back'))
      return Promise.reject(new Error('no'))
    })
    await expect(failing).rejects.toThrow('no')
    expect(effects).toEqual(['committed'])
  })

  it('refuses to end a transaction twice', async () => {
    const tx = createMemoryStore().begin()
    await tx.commit()
    await expect(tx.rollback()).rejects.toMatchObject({ code: 'POSTHORN_NO_TRANSACTION' })
  })
})
