import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** A service runs once, from its start to its stop. */
export const serviceLife: PromiseDefinition = promise('serviceLife', [
  {
    title: 'a service is ready while it runs, refuses to publish before and after, and stops once',
    async run(bench) {
      const probe = bench.seen()
      const service = bench.service()
      service.consume('billing', { handlers: [probe.handler] })
      await assert.rejects(service.publish(bench.noted, { n: 1 }), { code: 'POSTHORN_NOT_STARTED' })
      await service.start()
      assert.equal(service.health().ready, true)
      await service.publish(bench.noted, { n: 2 })
      await probe.waitForCount(1)
      await Promise.all([service.stop(), service.stop()])
      assert.deepEqual([service.health().ready, service.health().state], [false, 'stopped'])
      await assert.rejects(service.publish(bench.noted, { n: 3 }), { code: 'POSTHORN_STOPPED' })
      await assert.rejects(service.start(), { code: 'POSTHORN_STOPPED' })
    },
  },
])
