import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** A retry is the matter of the group that failed: the others do not see it. */
export const groupRetries: PromiseDefinition = promise('groupRetries', [
  {
    title: 'two groups retry one message at once, and a third that succeeded does not see it again',
    async run(bench) {
      const failing = (): ReturnType<typeof bench.seen> =>
        bench.seen(bench.noted, (_message, { attempt }) => {
          if (attempt === 1) throw new Error('not yet')
        })
      const [billing, shipping, audit] = [failing(), failing(), bench.seen()]
      const retry = { delaysMs: [bench.timing.rungMs] }
      const [{ service }, , quiet] = await Promise.all([
        bench.group('billing', { handlers: [billing.handler], retry }),
        bench.group('shipping', { handlers: [shipping.handler], retry }),
        bench.group('audit', { handlers: [audit.handler], retry }),
      ])
      await service.publish(bench.noted, { n: 1 })
      for (const probe of [billing, shipping]) {
        const seen = await probe.waitForCount(2)
        assert.deepEqual(
          seen.map(({ attempt }) => attempt),
          [1, 2],
        )
        assert.equal(seen[0]?.envelope.id, seen[1]?.envelope.id)
      }
      // What comes behind the retries shows that audit saw none of them.
      await service.publish(bench.noted, { n: 2 })
      await audit.waitFor(({ data }) => data.n === 2)
      await bench.counted(quiet.consumer, { handled: 2, inFlight: 0 })
      assert.deepEqual(
        [billing, shipping].map(({ items }) => items.length >= 2),
        [true, true],
      )
    },
  },
])
