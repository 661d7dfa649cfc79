import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes } from './messages.js'
import { observe } from './observedTransport.js'

/** A group never has more messages in hand, nor more calls running, than it allowed. */
export const boundedCount: PromiseDefinition = promise('boundedCount', [
  {
    title: 'never more than maxInFlight deliveries are unsettled, nor more than concurrency handlers running',
    async run(bench) {
      const { transport, peak } = observe(bench.transport())
      const gate = bench.gate()
      let running = 0
      let mostRunning = 0
      const probe = bench.seen(bench.noted, async () => {
        mostRunning = Math.max(mostRunning, (running += 1))
        await gate.pass()
        running -= 1
      })
      const options = { handlers: [probe.handler], concurrency: 3, maxInFlight: 5 }
      const { service, consumer } = await bench.group('billing', options, { transport })
      await service.publishMany(bench.noted, notes(30))
      await bench.counted(consumer, { inFlight: 5 })
      gate.open()
      await probe.waitForCount(30)
      assert.deepEqual([mostRunning, peak.count], [3, 5])
    },
  },
])
