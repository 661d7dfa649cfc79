import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, sortedNumbersOf } from './messages.js'

const count = 2_000

/** What is true of one message is true of thousands at once. */
export const burst: PromiseDefinition = promise('burst', [
  {
    title: 'a burst through a small window arrives completely, each message once over two services',
    async run(bench) {
      const probe = bench.seen()
      const options = { handlers: [probe.handler], maxInFlight: 50 }
      const [one, other, publisher] = await Promise.all([
        bench.group('billing', options),
        bench.group('billing', options),
        bench.publisher({ maxUnconfirmed: 100 }),
      ])
      const results = await publisher.publishMany(bench.noted, notes(count))
      assert.equal(new Set(results.map(({ id }) => id)).size, count)
      await probe.waitForCount(count)
      assert.deepEqual(sortedNumbersOf(probe.items), [...Array(count).keys()])
      await Promise.all([one.service.stop(), other.service.stop()])
      assert.equal(one.consumer.health().handled + other.consumer.health().handled, count)
      assert.equal(publisher.health().publisher.published, count)
    },
  },
])
