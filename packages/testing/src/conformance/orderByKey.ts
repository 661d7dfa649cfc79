import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { keyedNotes, numbersByKey } from './messages.js'

/** Messages of one key are handled in order where a group asks for it, retries included. */
export const orderByKey: PromiseDefinition = promise('orderByKey', [
  {
    title: 'the messages of a key are handled in order, also when one of them is retried',
    needs: 'ordered',
    async run(bench) {
      const probe = bench.seen(bench.keyed, ({ data }, { attempt }) => {
        if (data.n === 1 && attempt < 3) throw new Error('not yet')
      })
      const retry = { delaysMs: [0, bench.timing.rungMs] }
      const options = { handlers: [probe.handler], order: { by: 'partitionKey' }, retry } as const
      const { service } = await bench.group('billing', options)
      const sent = keyedNotes({ keys: 5, each: 4 })
      await service.publishMany(bench.keyed, sent)
      await probe.waitForCount(sent.length + 10)
      for (const numbers of numbersByKey(probe.items).values()) assert.deepEqual(numbers, [0, 1, 1, 1, 2, 3])
    },
  },
  {
    title: 'a key that waits for its retry holds back itself alone',
    needs: 'ordered',
    async run(bench) {
      const probe = bench.seen(bench.keyed, ({ data }, { attempt }) => {
        if (data.key === 'key-0' && attempt === 1 && data.n === 0) throw new Error('not yet')
      })
      const retry = { delaysMs: [bench.longRungMs] }
      const options = { handlers: [probe.handler], order: { by: 'partitionKey' }, concurrency: 1, retry } as const
      const { service, consumer } = await bench.group('billing', options)
      await service.publishMany(bench.keyed, keyedNotes({ keys: 8, each: 3 }))
      const seen = await probe.waitForCount(25)
      // Key 0 fails once, then nothing of it comes before all the others are done.
      assert.deepEqual(
        seen.slice(-3).map(({ data }) => data.key),
        ['key-0', 'key-0', 'key-0'],
      )
      assert.deepEqual(numbersByKey(seen).get('key-0'), [0, 0, 1, 2])
      await bench.counted(consumer, { handled: 24 })
    },
  },
])
