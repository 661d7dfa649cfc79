import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** A failed message lets the others of its key pass where the group says so. */
export const overtaking: PromiseDefinition = promise('overtaking', [
  {
    title: 'where later messages may overtake, a failed one goes through its rung and the next of its key passes it',
    needs: 'ordered',
    async run(bench) {
      const probe = bench.seen(bench.keyed, ({ data }, { attempt }) => {
        if (data.n === 0 && attempt === 1) throw new Error('not yet')
      })
      const overtake = { by: 'partitionKey', onRetry: 'overtake' } as const
      const retry = { delaysMs: [bench.longRungMs] }
      const { service } = await bench.group('billing', { handlers: [probe.handler], order: overtake, retry })
      await service.publishMany(bench.keyed, [
        { n: 0, key: 'k' },
        { n: 1, key: 'k' },
      ])
      const seen = await probe.waitForCount(3)
      assert.deepEqual(
        seen.map(({ data, attempt }) => [data.n, attempt]),
        [
          [0, 1],
          [1, 1],
          [0, 2],
        ],
      )
    },
  },
])
