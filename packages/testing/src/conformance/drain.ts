import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, sortedNumbersOf } from './messages.js'

/** A service that stops finishes what it began and leaves the rest: nothing is lost, nothing is done twice. */
export const drain: PromiseDefinition = promise('drain', [
  {
    title: 'a service that stops in the middle of a stream loses nothing and repeats nothing',
    async run(bench) {
      const probe = bench.seen(bench.noted, () => new Promise((resolve) => setTimeout(resolve, 2)))
      const options = { handlers: [probe.handler], concurrency: 4 }
      const { service } = await bench.group('billing', options)
      const publisher = await bench.publisher()
      const publishing = publisher.publishMany(bench.noted, notes(200))
      await probe.waitForCount(20)
      await service.stop()
      const handled = probe.items.length
      await publishing
      await bench.group('billing', options)
      await probe.waitForCount(200)
      assert.ok(handled < 200, 'everything was handled before the stop')
      assert.deepEqual(sortedNumbersOf(probe.items), [...Array(200).keys()])
    },
  },
  {
    title: 'a handler that runs while its service stops can still publish, and its message is completed',
    async run(bench) {
      const gate = bench.gate()
      const probe = bench.seen(bench.noted, async ({ data }, context) => {
        await gate.pass()
        await context.publish(bench.other, data)
      })
      const audit = bench.seen(bench.other)
      const starting = bench.group('audit', { handlers: [audit.handler] })
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler] })
      await starting
      await service.publish(bench.noted, { n: 1 })
      await probe.waitForCount(1)
      const stopping = service.stop()
      assert.equal(service.health().state, 'stopping')
      gate.open()
      await stopping
      assert.deepEqual(sortedNumbersOf(await audit.waitForCount(1)), [1])
      assert.deepEqual([consumer.health().handled, consumer.health().released], [1, 0])
      await assert.rejects(service.publish(bench.noted, { n: 2 }), { code: 'POSTHORN_STOPPED' })
    },
  },
])
