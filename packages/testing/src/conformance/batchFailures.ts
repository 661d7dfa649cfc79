import assert from 'node:assert/strict'
import { onBatch } from '@posthorn/core'
import type { BatchItem } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import type { Note } from './messages.js'
import { notes } from './messages.js'

/** A batch that throws fails all of its items. */
export const batchFailures: PromiseDefinition = promise('batchFailures', [
  {
    title: 'a batch that throws fails all of its items, and batches are no larger than asked',
    async run(bench) {
      const sizes: number[] = []
      const items = bench.probe<BatchItem<Note>>('items')
      const options = { maxCount: 3, maxWaitMs: 20 }
      const handler = onBatch(bench.noted, (batch) => batchOf(batch), options)
      const batchOf = (batch: readonly BatchItem<Note>[]): void => {
        sizes.push(batch.length)
        for (const item of batch) items.record(item)
        if (batch.some(({ attempt }) => attempt === 1)) throw new Error('all of them')
      }
      const { service } = await bench.group('billing', { handlers: [handler], retry: { delaysMs: [0, 0, 0, 0] } })
      await service.publishMany(bench.noted, notes(7))
      const succeeded = (): number[] => items.items.filter(({ attempt }) => attempt > 1).map(({ data }) => data.n)
      await bench.eventually(
        'second attempts of all',
        () => new Set(succeeded()).size,
        (size) => size === 7,
      )
      assert.ok(Math.max(...sizes) <= 3 && sizes.length >= 5, `sizes ${sizes.join()}`)
    },
  },
])
