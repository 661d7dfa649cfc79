import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** A handler whose time is over is told, and its message stays its own until it ends. */
export const handlerTimeout: PromiseDefinition = promise('handlerTimeout', [
  {
    title: 'a handler that takes too long has its signal fired, and its failure is a HandlerTimeoutError',
    async run(bench) {
      const probe = bench.seen(bench.noted, async (_message, { signal }) => {
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('gave up')), { once: true })
        })
      })
      const starting = bench.deadLetters('billing')
      const options = { handlers: [probe.handler], retry: { delaysMs: [0] }, handlerTimeoutMs: 50 }
      const { service, consumer } = await bench.group('billing', options)
      const dead = await starting
      await service.publish(bench.noted, { n: 1 })
      const [letter] = await dead.waitForCount(1)
      assert.deepEqual([letter?.reason, letter?.attempts], ['retriesExhausted', 2])
      assert.equal(letter?.error?.name, 'HandlerTimeoutError')
      assert.equal(consumer.health().timedOut, 2)
    },
  },
  {
    title: 'a handler that is slow but succeeds after its time is over completes its message',
    async run(bench) {
      const gate = bench.gate()
      const probe = bench.seen(bench.noted, () => gate.pass())
      const options = { handlers: [probe.handler], handlerTimeoutMs: 20 }
      const { service, consumer } = await bench.group('billing', options)
      await service.publish(bench.noted, { n: 1 })
      await bench.counted(consumer, { timedOut: 1 })
      gate.open()
      await bench.counted(consumer, { handled: 1 })
      assert.equal(probe.items.length, 1)
    },
  },
])
