import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { numbersOf } from './messages.js'

const configuration = { code: 'POSTHORN_CONFIGURATION' }
const unrouted = { code: 'POSTHORN_PUBLISH_UNROUTED', outcome: 'notSent' }

/** Somebody must receive a command; a transport that cannot tell refuses to promise it. */
export const mustRoute: PromiseDefinition = promise('mustRoute', [
  {
    title: 'a command that nobody receives rejects as not sent, an event when it is asked',
    needs: 'routed',
    async run(bench) {
      const service = await bench.publisher()
      await assert.rejects(service.publish(bench.asked, { n: 1 }), unrouted)
      await assert.rejects(service.publish(bench.noted, { n: 2 }, { mustRoute: true }), unrouted)
      const unasked = await service.publish(bench.asked, { n: 3 }, { mustRoute: false })
      assert.equal(unasked.routed, false)
    },
  },
  {
    title: 'a command with a receiver resolves as routed and arrives',
    needs: 'routed',
    async run(bench) {
      const probe = bench.seen(bench.asked)
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      assert.equal((await service.publish(bench.asked, { n: 1 })).routed, true)
      await probe.waitForCount(1)
    },
  },
  {
    title: 'mustRoute is refused where the broker cannot tell; a command resolves without a promise',
    lacks: 'routed',
    async run(bench) {
      assert.throws(() => bench.service({ mustRoute: true }), configuration)
      const probe = bench.seen(bench.asked)
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      await assert.rejects(service.publish(bench.asked, { n: 1 }, { mustRoute: true }), configuration)
      assert.equal((await service.publish(bench.asked, { n: 2 })).routed, undefined)
      assert.deepEqual(numbersOf(await probe.waitForCount(1)), [2])
    },
  },
])
