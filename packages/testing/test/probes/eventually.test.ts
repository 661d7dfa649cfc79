import { describe, expect, it } from 'vitest'
import { eventually } from '../../src/probes/eventually.js'

describe('eventually', () => {
  it('resolves with the first value that is accepted', async () => {
    let reads = 0
    const value = await eventually(
      () => (reads += 1),
      (count) => count === 3,
    )
    expect([value, reads]).toEqual([3, 3])
  })

  it('rejects with the last value when the time is over, and reads at least once', async () => {
    const waiting = eventually(
      () => Promise.resolve({ handled: 1 }),
      ({ handled }) => handled === 2,
      { timeoutMs: 0, what: 'two handled' },
    )
    await expect(waiting).rejects.toThrow('Waited 0 ms for two handled; the last value was {"handled":1}')
  })

  it('rejects with what the reader throws', async () => {
    const waiting = eventually(
      () => Promise.reject(new RangeError('broken')),
      () => true,
    )
    await expect(waiting).rejects.toThrow(RangeError)
  })
})
