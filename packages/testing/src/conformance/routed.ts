import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** A publish says whether anybody receives the message; where the broker cannot tell, it does not pretend. */
export const routed: PromiseDefinition = promise('routed', [
  {
    title: 'an event says whether a group listens for its type',
    needs: 'routed',
    async run(bench) {
      const probe = bench.seen()
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      const heard = await service.publish(bench.noted, { n: 1 })
      const unheard = await service.publish(bench.other, { n: 2 })
      assert.deepEqual([heard.routed, unheard.routed], [true, false])
      assert.equal(service.health().publisher.unrouted, 1)
      await probe.waitForCount(1)
    },
  },
  {
    title: 'an event of a broker that cannot tell resolves with routed undefined, heard or not',
    lacks: 'routed',
    async run(bench) {
      const probe = bench.seen()
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      const heard = await service.publish(bench.noted, { n: 1 })
      const unheard = await service.publish(bench.other, { n: 2 })
      assert.deepEqual([heard.routed, unheard.routed], [undefined, undefined])
      await probe.waitForCount(1)
    },
  },
])
