import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { keyedNotes, sortedNumbersOf } from './messages.js'

/** Different keys are handled at the same time; one key only where no order is asked for. */
export const parallelKeys: PromiseDefinition = promise('parallelKeys', [
  {
    title: 'different keys are handled at the same time, one key never twice at once',
    needs: 'ordered',
    async run(bench) {
      const gate = bench.gate()
      const running: string[] = []
      const twice: string[] = []
      const probe = bench.seen(bench.keyed, async ({ data }) => {
        const key = data.key ?? ''
        if (running.includes(key)) twice.push(key)
        running.push(key)
        await gate.pass()
        running.splice(running.indexOf(key), 1)
      })
      const { service } = await bench.group('billing', { handlers: [probe.handler], order: { by: 'partitionKey' } })
      await service.publishMany(bench.keyed, keyedNotes({ keys: 4, each: 3 }))
      await probe.waitForCount(4)
      assert.deepEqual(new Set(running).size, 4)
      gate.open()
      await probe.waitForCount(12)
      assert.deepEqual(twice, [])
    },
  },
  {
    title: 'without order, a key is no barrier: its messages are handled at the same time',
    async run(bench) {
      const gate = bench.gate()
      const probe = bench.seen(bench.keyed, () => gate.pass())
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      await service.publishMany(bench.keyed, keyedNotes({ keys: 1, each: 3 }))
      assert.deepEqual(sortedNumbersOf(await probe.waitForCount(3)), [0, 1, 2])
    },
  },
])
