import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { sortedNumbersOf } from './messages.js'

/** A paused group starts no handler; what came meanwhile is handled when it resumes. */
export const pause: PromiseDefinition = promise('pause', [
  {
    title: 'a paused consumer calls no handler until it resumes, then handles what waited',
    async run(bench) {
      const probe = bench.seen()
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler] })
      await service.publish(bench.noted, { n: 0 })
      await probe.waitForCount(1)
      consumer.pause()
      for (const n of [1, 2, 3]) await service.publish(bench.noted, { n })
      await bench.counted(consumer, { inFlight: 3 })
      assert.deepEqual([consumer.health().state, service.health().ready, probe.items.length], ['paused', false, 1])
      consumer.resume()
      assert.deepEqual(sortedNumbersOf(await probe.waitForCount(4)), [0, 1, 2, 3])
      assert.equal(service.health().ready, true)
    },
  },
  {
    title: 'a paused service that stops gives back what waited',
    async run(bench) {
      const probe = bench.seen()
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler] })
      consumer.pause()
      await service.publish(bench.noted, { n: 1 })
      await bench.counted(consumer, { inFlight: 1 })
      await service.stop()
      assert.equal(probe.items.length, 0)
      await bench.group('billing', { handlers: [probe.handler] })
      assert.deepEqual(sortedNumbersOf(await probe.waitForCount(1)), [1])
    },
  },
])
