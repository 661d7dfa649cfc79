import { silentLogger } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createCaution } from '../src/caution.js'
import type { Caution } from '../src/caution.js'
import { createCounts } from '../src/counts.js'
import { subscriptionTo } from './broker.js'

const counts = createCounts()

function cautionOf(fields: Parameters<typeof subscriptionTo>[1] = {}, maxPrefetch = 50): Caution {
  return createCaution({ subscription: subscriptionTo('orders', fields), maxPrefetch, counts, logger: silentLogger })
}

describe('caution after crashes', () => {
  it('begins with one message, and opens up after one that crashed nobody', () => {
    const caution = cautionOf()
    expect(caution.prefetch()).toBe(1)
    expect(caution.judge(0, '4.3.1')).toBe('widen')
    expect([caution.isWatching, caution.prefetch()]).toEqual([false, 50])
  })

  it('goes on one by one while messages come that crashed somebody, and counts that once', () => {
    const caution = cautionOf()
    const before = counts.cautions
    expect([caution.judge(1, '4.3.1'), caution.judge(3, '4.3.1')]).toEqual(['take', 'take'])
    expect([caution.isWatching, caution.prefetch(), counts.cautions]).toEqual([true, 1, before + 1])
    expect(caution.judge(0, '4.3.1')).toBe('widen')
  })

  it.each(['3.10.8', '4.0.5', '4.2.9'])(
    'suspects nobody after one delivery on %s, which also counts releases',
    (version) => {
      expect(cautionOf().judge(1, version)).toBe('widen')
      expect(cautionOf().judge(2, version)).toBe('take')
    },
  )

  it.each(['4.3.0', '4.10.1', '5.0.0'])('suspects after one crash on %s', (version) => {
    expect(cautionOf().judge(1, version)).toBe('take')
  })

  it('of an ordered group begins with all, and opens the next consumer with one, and the next but one with all', () => {
    const caution = cautionOf({ ordered: true })
    expect(caution.prefetch()).toBe(50)
    expect(caution.judge(2, '4.3.1')).toBe('reopen')
    expect(caution.prefetch()).toBe(1)
    expect(caution.judge(4, '4.3.1')).toBe('take')
    // Others that were given back may be waiting: to give this one back would put it behind them.
    expect(caution.judge(1, '4.3.1')).toBe('take')
    expect(caution.judge(0, '4.3.1')).toBe('reopen')
    expect([caution.isWatching, caution.prefetch()]).toEqual([false, 50])
  })

  it('ends when a message takes so long that it is no culprit', () => {
    const caution = cautionOf()
    caution.judge(2, '4.3.1')
    caution.giveUp()
    expect([caution.isWatching, caution.prefetch()]).toEqual([false, 50])
  })

  it('of an ordered group does not suspect what one stop gave back', () => {
    expect(cautionOf({ ordered: true }).judge(1, '4.3.1')).toBe('take')
  })

  it('has nothing to do for dead letters, and where one message is all that may come', () => {
    for (const caution of [cautionOf({ source: 'dead' }), cautionOf({}, 1)]) expect(caution.isWatching).toBe(false)
  })
})
