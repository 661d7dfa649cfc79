import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { sortedNumbersOf } from './messages.js'

/** What was completed does not come again. */
export const completedOnce: PromiseDefinition = promise('completedOnce', [
  {
    title: 'completed messages are not delivered again to the next service',
    async run(bench) {
      const before = bench.seen()
      const { service } = await bench.group('billing', { handlers: [before.handler] })
      for (let n = 0; n < 5; n += 1) await service.publish(bench.noted, { n }, { partitionKey: 'k' })
      await before.waitForCount(5)
      await service.stop()
      const after = bench.seen()
      const next = await bench.group('billing', { handlers: [after.handler] })
      // With one key it stands behind everything that could come again.
      await next.service.publish(bench.noted, { n: 5 }, { partitionKey: 'k' })
      await after.waitFor(({ data }) => data.n === 5)
      assert.deepEqual(sortedNumbersOf(after.items), [5])
    },
  },
])
