import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** Only crashes count as crashes; where nobody counts them, a group cannot ask for a limit. */
export const crashCounting: PromiseDefinition = promise('crashCounting', [
  {
    title: 'a message that several services gave back while they stopped is no crash loop',
    needs: 'countsRedeliveries',
    async run(bench) {
      for (let times = 0; times < 3; times += 1) {
        const hanging = bench.seen()
        const { service, consumer } = await bench.group('billing', { handlers: [hanging.handler], maxCrashes: 1 })
        consumer.pause()
        if (times === 0) await service.publish(bench.noted, { n: 1 })
        await bench.counted(consumer, { inFlight: 1 })
        await service.stop()
      }
      const probe = bench.seen()
      const { consumer } = await bench.group('billing', { handlers: [probe.handler], maxCrashes: 1 })
      const [seen] = await probe.waitForCount(1)
      assert.equal(seen?.attempt, 1)
      assert.equal(consumer.health().deadLettered, 0)
    },
  },
  {
    title: 'maxCrashes is refused where the broker does not count deliveries without an answer',
    lacks: 'countsRedeliveries',
    run(bench) {
      const { handler } = bench.seen()
      const declare = (): unknown => bench.service().consume('billing', { handlers: [handler], maxCrashes: 3 })
      assert.throws(declare, { code: 'POSTHORN_CONFIGURATION' })
      return Promise.resolve()
    },
  },
])
