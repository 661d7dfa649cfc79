import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { sortedNumbersOf } from './messages.js'

/** A handler that hangs loses nothing and keeps no service from stopping. */
export const hangingHandlers: PromiseDefinition = promise('hangingHandlers', [
  {
    title: 'stop settles at its deadline although a handler hangs; its message is delivered to the next service',
    async run(bench) {
      const { stopMs } = bench.timing
      const gate = bench.gate()
      const hanging = bench.seen(bench.noted, () => gate.pass())
      const options = { handlers: [hanging.handler], concurrency: 1 }
      const { service, consumer } = await bench.group('billing', options)
      for (const n of [0, 1]) await service.publish(bench.noted, { n })
      const [first] = await hanging.waitForCount(1)
      await bench.counted(consumer, { inFlight: 2 })
      const began = performance.now()
      await service.stop({ deadlineMs: stopMs })
      const tookMs = performance.now() - began
      assert.ok(tookMs < stopMs + bench.slackMs, `stop took ${tookMs} ms`)
      assert.deepEqual([first?.context.signal.aborted, consumer.health().released], [true, 2])
      const probe = bench.seen()
      await bench.group('billing', { handlers: [probe.handler] })
      assert.deepEqual(sortedNumbersOf(await probe.waitForCount(2)), [0, 1])
      assert.equal(hanging.items.length, 1)
    },
  },
])
