import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, numbersOf, wireMessage } from './messages.js'

/** Every group gets every message, unless it is meant for one of them. */
export const groups: PromiseDefinition = promise('groups', [
  {
    title: 'several groups each get every message once',
    async run(bench) {
      const probes = [bench.seen(), bench.seen(), bench.seen()]
      const start = (name: string, at: number): Promise<unknown> =>
        bench.group(name, { handlers: [probes[at]!.handler] })
      await Promise.all(['billing', 'shipping', 'audit'].map(start))
      const publisher = await bench.publisher()
      const ids = (await publisher.publishMany(bench.noted, notes(10))).map(({ id }) => id)
      for (const probe of probes) {
        const seen = await probe.waitForCount(10)
        assert.deepEqual(new Set(seen.map(({ envelope }) => envelope.id)), new Set(ids))
        assert.equal(probe.items.length, 10)
      }
    },
  },
  {
    title: 'what is sent to one group reaches that group alone',
    async run(bench) {
      const [billing, audit] = [bench.seen(), bench.seen()]
      const start = bench.group('audit', { handlers: [audit.handler] })
      const { service } = await bench.group('billing', { handlers: [billing.handler] })
      await start
      const transport = await bench.connected()
      const target = { group: { destination: bench.destination, group: 'billing' } }
      await transport.send(target, wireMessage('replayed', { data: { n: 1 } }), bench.soon())
      await billing.waitForCount(1)
      await service.publish(bench.noted, { n: 2 })
      await Promise.all([billing.waitForCount(2), audit.waitForCount(1)])
      assert.deepEqual(numbersOf(audit.items), [2])
    },
  },
])
