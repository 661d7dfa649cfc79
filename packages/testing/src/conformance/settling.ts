import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { wireMessage } from './messages.js'
import { subscriptionFor } from './rawSubscription.js'

/** A settlement counts once, while its connection lives; one that comes late or twice harms nobody. */
export const settling: PromiseDefinition = promise('settling', [
  {
    title: 'settling twice, and settling after the transport is closed, does nothing and never throws',
    async run(bench) {
      const { subscribe, target } = subscriptionFor(bench)
      const first = await subscribe()
      for (const id of ['1', '2', '3']) await first.transport.send(target, wireMessage(id), bench.soon())
      const held = [...(await first.deliveries.waitForCount(3))]
      for (let times = 0; times < 3; times += 1) held[0]?.complete()
      held[0]?.release()
      await first.transport.close(bench.soon().deadline)
      for (const delivery of held) delivery.complete()
      const second = await subscribe()
      const again = await second.deliveries.waitForCount(2)
      for (const delivery of again) delivery.complete()
      await second.transport.send(target, wireMessage('4'), bench.soon())
      await second.deliveries.waitForCount(3)
      assert.equal(second.deliveries.items.length, 3)
    },
  },
  {
    title: 'after a subscription is stopped nothing more is handed over, and what was can still be completed',
    async run(bench) {
      const { subscribe, target } = subscriptionFor(bench)
      const first = await subscribe()
      await first.transport.send(target, wireMessage('1'), bench.soon())
      const [delivery] = await first.deliveries.waitForCount(1)
      await first.running.stop(bench.soon().deadline)
      await first.transport.send(target, wireMessage('2'), bench.soon())
      delivery?.complete()
      await first.transport.close(bench.soon().deadline)
      const second = await subscribe()
      const [next] = await second.deliveries.waitForCount(1)
      assert.ok(Buffer.from(next?.body ?? []).includes('"id":"2"'), 'the completed message came again')
      assert.deepEqual([first.deliveries.items.length, second.deliveries.items.length], [1, 1])
    },
  },
])
