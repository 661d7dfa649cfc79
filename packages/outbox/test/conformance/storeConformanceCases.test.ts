import { describe, expect, it, test } from 'vitest'
import { storeConformanceCases } from '../../src/conformance/index.js'
import { storePromises } from '../../src/conformance/storeConformanceCases.js'
import { memorySetup } from './memorySetup.js'
import { storeLies } from './storeLies.js'
import type { StoreLie } from './storeLies.js'

/** Which promise of the suite notices each lie: at least one of its cases fails. */
const noticedBy: Readonly<Record<keyof typeof storeLies, string>> = {
  idCursor: 'lateCommits',
  unfencedRemove: 'fences',
  unfencedFail: 'fences',
  checkThenInsert: 'inboxRaces',
  rememberedOutside: 'inbox',
  parkIgnored: 'parking',
  insertedOutside: 'transactions',
  impatient: 'attempts',
  endlessLease: 'leases',
  greedy: 'shares',
  exceptIgnored: 'readLimits',
  exceptKeysIgnored: 'readLimits',
  early: 'schedule',
  mute: 'listening',
  backwards: 'readOrder',
  undecided: 'operatorDecisions',
  roundedIds: 'exactMessages',
}

describe('the memory store', () => {
  for (const { promise, title, run } of storeConformanceCases(memorySetup()))
    test.concurrent(`${promise}: ${title}`, run)
})

describe('the conformance suite on a store that lies', () => {
  it.concurrent.each(Object.entries(noticedBy))('notices %s by %s', async (name, promise) => {
    const lie: StoreLie = storeLies[name as keyof typeof storeLies]
    const setup = memorySetup(lie, { waitMs: 500, caseMs: 2_000 })
    const failed: string[] = []
    const cases = storeConformanceCases(setup).filter((one) => one.promise === promise)
    await Promise.all(cases.map(({ title, run }) => run().catch(() => void failed.push(title))))
    expect(failed).not.toEqual([])
  })
})

describe('storeConformanceCases', () => {
  it('gives every case a title of its own, and leaves out only what the store cannot do', () => {
    const titles = (changes: object): string[] =>
      storeConformanceCases({ ...memorySetup(), ...changes }).map(({ title }) => title)
    const all = storePromises.flatMap(({ cases }) => cases)
    expect(new Set(titles({})).size).toBe(titles({}).length)
    expect(titles({})).toHaveLength(all.filter(({ lacks }) => lacks === undefined).length)
    const serial = all.filter(({ needs }) => needs === 'concurrentTransactions').map(({ title }) => title)
    expect(titles({}).filter((title) => !titles({ hasConcurrentTransactions: false }).includes(title))).toEqual(serial)
  })

  it('asserts that a store which hears nothing says so', async () => {
    const deaf = memorySetup((store) => ({ ...store, listen: async () => undefined }))
    const cases = storeConformanceCases({ ...deaf, listens: false }).filter(({ promise }) => promise === 'listening')
    expect(cases).toHaveLength(1)
    await cases[0]?.run()
    const honest = storeConformanceCases({ ...memorySetup(), listens: false })
    await expect(honest.find(({ promise }) => promise === 'listening')?.run()).rejects.toThrow()
  })
})
