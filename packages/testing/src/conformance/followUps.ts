import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** What a handler publishes names its cause, keeps the correlation, and has the same id at every attempt. */
export const followUps: PromiseDefinition = promise('followUps', [
  {
    title: 'a retried handler repeats the ids of what it published, and causation and correlation follow',
    async run(bench) {
      const { rungMs } = bench.timing
      const probe = bench.seen(bench.noted, async ({ data }, context) => {
        await context.publish(bench.other, data)
        await context.publish(bench.other, data, { step: 'second' })
        if (context.attempt < 3) throw new Error('after publishing')
      })
      const next = bench.seen(bench.other, async ({ data }, context) => {
        await context.publish(bench.keyed, data)
      })
      const last = bench.seen(bench.keyed)
      const starting = bench.group('audit', { handlers: [next.handler, last.handler] })
      const options = { handlers: [probe.handler], retry: { delaysMs: [0, rungMs] } }
      const { service } = await bench.group('billing', options)
      await starting
      const { id: cause } = await service.publish(bench.noted, { n: 1 })
      const seen = (await next.waitForCount(6)).map(({ envelope }) => envelope)
      const ids = new Set(seen.map(({ id }) => id))
      assert.equal(ids.size, 2)
      for (const { causationid, correlationid } of seen) assert.deepEqual([causationid, correlationid], [cause, cause])
      const ends = (await last.waitForCount(6)).map(({ envelope }) => envelope)
      assert.equal(new Set(ends.map(({ id }) => id)).size, 2)
      for (const { causationid = '', correlationid } of ends) {
        assert.ok(ids.has(causationid))
        assert.equal(correlationid, cause)
      }
    },
  },
])
