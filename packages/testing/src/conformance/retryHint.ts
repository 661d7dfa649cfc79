import assert from 'node:assert/strict'
import { retryAfter } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { waitsOf } from './messages.js'

/** A hint wins over the ladder's delay, is never honoured early, and counts as one attempt. */
export const retryHint: PromiseDefinition = promise('retryHint', [
  {
    title: 'retryAfter and an error with retryAfterMs wait at least as long as they say, and count once',
    async run(bench) {
      const { rungMs } = bench.timing
      const hintMs = Math.round(rungMs * 1.5)
      const probe = bench.seen(bench.noted, (_message, { attempt }) => {
        if (attempt === 1) return retryAfter(hintMs)
        if (attempt === 2) throw Object.assign(new Error('busy'), { retryAfterMs: hintMs })
        return undefined
      })
      const retry = { delaysMs: [rungMs, rungMs * 4] }
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler], retry })
      await service.publish(bench.noted, { n: 1 })
      const seen = await probe.waitForCount(3)
      assert.deepEqual(
        seen.map(({ attempt }) => attempt),
        [1, 2, 3],
      )
      for (const waitedMs of waitsOf(seen)) {
        // The smaller rung carries it twice: with the ladder's own delays it would come sooner, or much later.
        assert.ok(waitedMs >= hintMs - 1, `${waitedMs} ms instead of at least ${hintMs}`)
      }
      await bench.counted(consumer, { retried: 2 })
    },
  },
  {
    title: 'a hint beyond maxRetryAfterMs is cut to it',
    async run(bench) {
      const { rungMs } = bench.timing
      const probe = bench.seen(bench.noted, (_message, { attempt }) =>
        attempt === 1 ? retryAfter(86_400_000) : undefined,
      )
      const { service } = await bench.group('billing', { handlers: [probe.handler], retry: { delaysMs: [rungMs] } })
      await service.publish(bench.noted, { n: 1 })
      const [waitedMs = 0] = waitsOf(await probe.waitForCount(2))
      assert.ok(waitedMs >= rungMs - 1, `${waitedMs} ms instead of at least ${rungMs}`)
    },
  },
])
