import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { numbersByKey, wireMessage } from './messages.js'

const order = { by: 'partitionKey' } as const

/** Messages of one key reach the broker in the order of their sends. */
export const sendOrder: PromiseDefinition = promise('sendOrder', [
  {
    title: 'sends of one key reach the broker in call order',
    needs: 'ordered',
    async run(bench) {
      const probe = bench.seen(bench.keyed)
      const { service } = await bench.group('billing', { handlers: [probe.handler], order })
      const transport = await bench.connected()
      const sends = [...Array(50).keys()].map((n) => {
        const message = wireMessage(`${n}`, { data: { n, key: 'k' }, type: bench.keyed.type, partitionKey: 'k' })
        return transport.send({ destination: bench.destination }, message, bench.soon())
      })
      await Promise.all(sends)
      await service.publish(bench.keyed, { n: 50, key: 'k' })
      await probe.waitForCount(51)
      assert.deepEqual(numbersByKey(probe.items).get('k'), [...Array(51).keys()])
    },
  },
])
