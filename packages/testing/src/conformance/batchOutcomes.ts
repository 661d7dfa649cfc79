import assert from 'node:assert/strict'
import { complete, deadLetter, discard, onBatch, retryAfter } from '@posthorn/core'
import type { BatchItem } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import type { Note } from './messages.js'
import { notes } from './messages.js'

/** Each item of a batch is settled its own way, and attempts count per item. */
export const batchOutcomes: PromiseDefinition = promise('batchOutcomes', [
  {
    title: 'each item of a batch gets its own outcome, and only the failed one comes again',
    async run(bench) {
      const items = bench.probe<BatchItem<Note>>('items')
      const answers = [complete(), retryAfter(bench.timing.rungMs), deadLetter('no'), discard('no'), undefined]
      const handler = onBatch(bench.noted, (batch) => {
        for (const item of batch) items.record(item)
        return batch.map(({ data, attempt }) => (attempt === 1 ? answers[data.n] : undefined))
      })
      const starting = bench.deadLetters('billing')
      const retry = { delaysMs: [bench.timing.rungMs] }
      const { service, consumer } = await bench.group('billing', { handlers: [handler], retry })
      const dead = await starting
      await service.publishMany(bench.noted, notes(5))
      await items.waitForCount(6)
      await dead.waitForCount(1)
      await bench.counted(consumer, { handled: 3, retried: 1, deadLettered: 1, discarded: 1 })
      const again = items.items.filter(({ attempt }) => attempt > 1)
      assert.deepEqual(
        again.map(({ data, attempt }) => [data.n, attempt]),
        [[1, 2]],
      )
    },
  },
])
