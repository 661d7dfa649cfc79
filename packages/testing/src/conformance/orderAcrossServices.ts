import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { keyedNotes, numbersByKey } from './messages.js'

const order = { by: 'partitionKey' } as const

/** Order by key holds over all services of a group; a transport that cannot keep it refuses to be asked. */
export const orderAcrossServices: PromiseDefinition = promise('orderAcrossServices', [
  {
    title: 'order holds over two services of a group, also when one of them stops in the middle',
    needs: 'ordered',
    async run(bench) {
      const firsts = bench.probe<{ readonly data: { readonly n: number; readonly key?: string } }>('first deliveries')
      const ids = new Set<string>()
      const probe = bench.seen(bench.keyed, async ({ data, envelope }) => {
        // Redeliveries are allowed where a service stops; order is that of first deliveries.
        if (!ids.has(envelope.id)) firsts.record({ data })
        ids.add(envelope.id)
        await new Promise((resolve) => setImmediate(resolve))
      })
      const options = { handlers: [probe.handler], order, concurrency: 4 }
      const [left] = await Promise.all([bench.group('billing', options), bench.group('billing', options)])
      const publisher = await bench.publisher()
      const sent = keyedNotes({ keys: 12, each: 10 })
      const publishing = publisher.publishMany(bench.keyed, sent)
      await firsts.waitForCount(sent.length / 4)
      await left.service.stop()
      await publishing
      await firsts.waitForCount(sent.length)
      const expected = [...Array(10).keys()]
      for (const numbers of numbersByKey(firsts.items).values()) assert.deepEqual(numbers, expected)
    },
  },
  {
    title: 'a group that asks for order is refused where the broker cannot keep it',
    lacks: 'ordered',
    run(bench) {
      const { handler } = bench.seen()
      const declare = (): unknown => bench.service().consume('billing', { handlers: [handler], order })
      assert.throws(declare, { code: 'POSTHORN_CONFIGURATION' })
      return Promise.resolve()
    },
  },
])
