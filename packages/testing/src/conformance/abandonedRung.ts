import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** What waits in a rung of an old release is read by the next one. */
export const abandonedRung: PromiseDefinition = promise('abandonedRung', [
  {
    title: 'a copy that waits in a rung which nobody declares any more is read by the next release',
    async run(bench) {
      const failing = bench.seen(bench.noted, () => {
        throw new Error('always')
      })
      const old = await bench.group('billing', { handlers: [failing.handler], retry: { delaysMs: [bench.longRungMs] } })
      await old.service.publish(bench.noted, { n: 1 })
      await bench.counted(old.consumer, { retried: 1 })
      await old.service.stop()
      const probe = bench.seen()
      await bench.group('billing', { handlers: [probe.handler], retry: { delaysMs: [] } })
      const [seen] = await probe.waitForCount(1)
      assert.deepEqual([seen?.data.n, seen?.attempt], [1, 2])
    },
  },
])
