import assert from 'node:assert/strict'
import { lyingTransport } from '../lies/lyingTransport.js'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { refusalOf } from './refusal.js'

/** Only crashes count as crashes; where nobody counts them, a group cannot ask for a limit. */
export const crashCounting: PromiseDefinition = promise('crashCounting', [
  {
    title: 'a message that several services gave back while they stopped is no crash loop',
    needs: 'countsRedeliveries',
    async run(bench) {
      const maxCrashes = bench.releasesAreCounted ? 5 : 1
      for (let times = 0; times < 3; times += 1) {
        const hanging = bench.seen(bench.noted, async (_message, { signal }) => {
          await new Promise((_resolve, reject) => signal.addEventListener('abort', reject, { once: true }))
        })
        const { service } = await bench.group('billing', { handlers: [hanging.handler], maxCrashes })
        if (times === 0) await service.publish(bench.noted, { n: 1 })
        await hanging.waitForCount(1)
        await service.stop({ deadlineMs: bench.timing.stopMs / 2 })
      }
      const probe = bench.seen()
      const { consumer } = await bench.group('billing', { handlers: [probe.handler], maxCrashes })
      const [seen] = await probe.waitForCount(1)
      assert.equal(seen?.attempt, 1)
      assert.equal(consumer.health().deadLettered, 0)
    },
  },
  {
    title: 'a message whose deliveries ended in more crashes than allowed is dead-lettered without another attempt',
    needs: 'countsRedeliveries',
    async run(bench) {
      // Nothing can crash here: the transport says so.
      const transport = lyingTransport(bench.transport(), 'inventedCrashes')
      const probe = bench.seen()
      const starting = bench.deadLetters('billing')
      const options = { handlers: [probe.handler], maxCrashes: 2 }
      const { service } = await bench.group('billing', options, { transport })
      const dead = await starting
      await service.publish(bench.noted, { n: 1 })
      const [letter] = await dead.waitForCount(1)
      assert.deepEqual([letter?.reason, letter?.attempts, probe.items.length], ['crashLoop', 0, 0])
    },
  },
  {
    title: 'maxCrashes is refused where the broker does not count deliveries without an answer',
    lacks: 'countsRedeliveries',
    run(bench) {
      const { handler } = bench.seen()
      const declare = (): unknown => bench.service().consume('billing', { handlers: [handler], maxCrashes: 3 })
      assert.equal(refusalOf(declare).length, 1)
      return Promise.resolve()
    },
  },
])
