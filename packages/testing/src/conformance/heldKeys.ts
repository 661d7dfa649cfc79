import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { refusalOf } from './refusal.js'

const order = { by: 'partitionKey', onRetry: 'holdKey' } as const

/** A failed message is held only as long as the broker lets a delivery stay unsettled. */
export const heldKeys: PromiseDefinition = promise('heldKeys', [
  {
    title:
      'a ladder longer than the broker lets a delivery stay unsettled is refused, unless later messages may overtake',
    lacks: 'unlimitedHold',
    run(bench) {
      const { handler } = bench.seen()
      const retry = { delaysMs: [Math.min(86_400_000, (bench.capabilities.maxHoldMs ?? 0) + 1)] }
      const declare = (onRetry: 'holdKey' | 'overtake'): unknown =>
        bench.service().consume('billing', { handlers: [handler], order: { ...order, onRetry }, retry })
      const asked = bench.capabilities.ordered ? 0 : 1
      assert.equal(refusalOf(() => declare('holdKey')).length, asked + 1)
      if (asked === 0) declare('overtake')
      else assert.equal(refusalOf(() => declare('overtake')).length, 1)
      return Promise.resolve()
    },
  },
  {
    title: 'any ladder may hold a key where a delivery may stay unsettled without limit',
    needs: 'unlimitedHold',
    run(bench) {
      const { handler } = bench.seen()
      const options = { handlers: [handler], order, retry: { delaysMs: [86_400_000] } }
      const declare = (): unknown => bench.service().consume('billing', options)
      if (bench.capabilities.ordered) declare()
      else assert.equal(refusalOf(declare).length, 1)
      return Promise.resolve()
    },
  },
])
