import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { createKeyedFlow } from './keyedFlow.js'
import { keyedNotes, numbersByKey } from './messages.js'
import { refusalOf } from './refusal.js'

const order = { by: 'partitionKey' } as const
const sent = keyedNotes({ keys: 12, each: 10 })

/** Order by key holds over all services of a group; a transport that cannot keep it refuses to be asked. */
export const orderAcrossServices: PromiseDefinition = promise('orderAcrossServices', [
  {
    title: 'order holds over two services of a group when one of them stops in the middle',
    needs: 'ordered',
    async run(bench) {
      const { handler, firsts, overlaps } = createKeyedFlow(bench)
      const options = { handlers: [handler], order, concurrency: 4 }
      const [left] = await Promise.all([bench.group('billing', options), bench.group('billing', options)])
      const publisher = await bench.publisher()
      const publishing = publisher.publishMany(bench.keyed, sent)
      await firsts.waitForCount(sent.length / 4)
      await Promise.all([left.service.stop(), publishing])
      await firsts.waitForCount(sent.length)
      for (const numbers of numbersByKey(firsts.items).values()) assert.deepEqual(numbers, [...Array(10).keys()])
      assert.deepEqual(overlaps, [])
    },
  },
  {
    title: 'order holds when a second service of the group joins in the middle and the first one leaves',
    needs: 'ordered',
    async run(bench) {
      const { handler, firsts } = createKeyedFlow(bench)
      const options = { handlers: [handler], order, concurrency: 4, maxInFlight: 30 }
      const { service } = await bench.group('billing', options)
      const publishing = service.publishMany(bench.keyed, sent)
      await firsts.waitForCount(1)
      await Promise.all([bench.group('billing', options), publishing])
      const more = keyedNotes({ keys: 12, each: 20 }).filter(({ n }) => n >= 10)
      await service.publishMany(bench.keyed, more)
      await service.stop()
      await firsts.waitForCount(sent.length + more.length)
      for (const numbers of numbersByKey(firsts.items).values()) assert.deepEqual(numbers, [...Array(20).keys()])
    },
  },
  {
    title: 'a group that asks for order is refused where the broker cannot keep it',
    lacks: 'ordered',
    run(bench) {
      const { handler } = bench.seen()
      const options = { handlers: [handler], order, retry: { delaysMs: [] } }
      assert.equal(refusalOf(() => bench.service().consume('billing', options)).length, 1)
      return Promise.resolve()
    },
  },
])
