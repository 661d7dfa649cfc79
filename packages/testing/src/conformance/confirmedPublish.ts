import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, sortedNumbersOf } from './messages.js'

/** What the broker confirmed, it keeps until a group has it. */
export const confirmedPublish: PromiseDefinition = promise('confirmedPublish', [
  {
    title: 'a confirmed message is kept for a group whose services are all stopped',
    async run(bench) {
      const before = bench.seen()
      const { service } = await bench.group('billing', { handlers: [before.handler] })
      await service.stop()
      const publisher = await bench.publisher()
      const results = await Promise.all(notes(20).map((note) => publisher.publish(bench.noted, note)))
      const after = bench.seen()
      await bench.group('billing', { handlers: [after.handler] })
      const seen = await after.waitForCount(20)
      assert.deepEqual(sortedNumbersOf(seen), [...Array(20).keys()])
      assert.deepEqual(new Set(seen.map(({ envelope }) => envelope.id)), new Set(results.map(({ id }) => id)))
      assert.deepEqual([before.items.length, after.items.length], [0, 20])
    },
  },
  {
    title: 'publishMany resolves in the order of its list, and every message arrives once',
    async run(bench) {
      const probe = bench.seen()
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      const list = Array.from({ length: 100 }, (_, n) => ({ n, text: 'x'.repeat(n) }))
      const results = await service.publishMany(bench.noted, list)
      const seen = await probe.waitForCount(100)
      const dataById = new Map(seen.map(({ envelope }) => [envelope.id, envelope.data]))
      const arrived = results.map(({ id }) => dataById.get(id))
      assert.deepEqual(arrived, list)
      assert.equal(probe.items.length, 100)
    },
  },
])
