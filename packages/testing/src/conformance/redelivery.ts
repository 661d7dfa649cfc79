import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { numbersOf, wireMessage } from './messages.js'
import { subscriptionFor } from './rawSubscription.js'

/** What was not completed comes again. */
export const redelivery: PromiseDefinition = promise('redelivery', [
  {
    title: 'a delivery that was never settled comes again after its transport is closed',
    async run(bench) {
      const { subscribe, target } = subscriptionFor(bench)
      const first = await subscribe()
      for (const id of ['1', '2']) await first.transport.send(target, wireMessage(id), bench.soon())
      const [delivery] = await first.deliveries.waitForCount(2)
      await first.transport.close(bench.soon().deadline)
      const second = await subscribe()
      const again = await second.deliveries.waitForCount(2)
      assert.ok(again.some(({ body }) => Buffer.compare(body ?? none, delivery?.body ?? none) === 0))
    },
  },
  {
    title: 'a delivery that is unsettled when its transport is closed is told that it is lost, and not before',
    async run(bench) {
      const { subscribe, target } = subscriptionFor(bench)
      const { transport, running, deliveries } = await subscribe()
      for (const id of ['1', '2']) await transport.send(target, wireMessage(id), bench.soon())
      const [done, held] = await deliveries.waitForCount(2)
      done?.complete()
      await running.stop(bench.soon().deadline)
      assert.equal(held?.lost?.aborted, false)
      await transport.close(bench.soon().deadline)
      assert.equal(held.lost.aborted, true)
    },
  },
  {
    title: 'a delivery that is released comes again, one that is completed does not',
    async run(bench) {
      const { subscribe, target } = subscriptionFor(bench)
      const { transport, deliveries } = await subscribe()
      await transport.send(target, wireMessage('1', { data: { n: 1 } }), bench.soon())
      const [delivery] = await deliveries.waitForCount(1)
      delivery?.release()
      const [, again] = await deliveries.waitForCount(2)
      again?.complete()
      await transport.send(target, wireMessage('2', { data: { n: 2 } }), bench.soon())
      await deliveries.waitForCount(3)
      const data = deliveries.items.map(
        ({ body }) => JSON.parse(Buffer.from(body ?? none).toString()) as { data: { n: number } },
      )
      assert.deepEqual(numbersOf(data), [1, 1, 2])
    },
  },
])

const none = new Uint8Array()
