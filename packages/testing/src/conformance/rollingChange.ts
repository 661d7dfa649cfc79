import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, sortedNumbersOf } from './messages.js'

/** An old and a new release of a group run side by side, and nothing is left unread. */
export const rollingChange: PromiseDefinition = promise('rollingChange', [
  {
    title: 'with one more destination and one rung less in the new release, nothing is left unread',
    async run(bench) {
      const { rungMs } = bench.timing
      const probe = bench.seen(bench.noted, ({ data }, { attempt }) => {
        if (data.n === 100 && attempt < 3) throw new Error('up to the last rung')
      })
      const added = bench.seen(bench.second.noted)
      const publisher = await bench.publisher({ publishes: [bench.noted, bench.second.noted] })
      const oldLadder = { delaysMs: [rungMs, rungMs * 10] }
      const old = await bench.group('billing', { handlers: [probe.handler], retry: oldLadder })
      await publisher.publish(bench.noted, { n: 100 })
      await bench.counted(old.consumer, { retried: 2 })

      const retry = { delaysMs: [rungMs] }
      const { consumer } = await bench.group('billing', { handlers: [probe.handler, added.handler], retry })
      await publisher.publishMany(bench.noted, notes(20))
      await publisher.publishMany(bench.second.noted, notes(10))
      await added.waitForCount(10)
      await old.service.stop()
      await publisher.publishMany(
        bench.noted,
        notes(20).map(({ n }) => ({ n: n + 20 })),
      )
      await probe.waitForCount(43)

      const numbers = [...Array(40).keys(), 100, 100, 100]
      assert.deepEqual(sortedNumbersOf(probe.items), numbers)
      assert.deepEqual(sortedNumbersOf(added.items), [...Array(10).keys()])
      assert.equal(consumer.health().deadLettered + old.consumer.health().deadLettered, 0)
    },
  },
])
