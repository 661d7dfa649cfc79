import assert from 'node:assert/strict'
import { retryAfter } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, waitsOf } from './messages.js'

/** A hint wins over the ladder's delay, is never honoured early, and counts as one attempt. */
export const retryHint: PromiseDefinition = promise('retryHint', [
  {
    title: 'retryAfter and an error with retryAfterMs wait at least as long as they say, and count once',
    async run(bench) {
      const { longRungMs: hintMs } = bench
      const probe = bench.seen(bench.noted, ({ data }, { attempt }) => {
        if (attempt > 1) return undefined
        if (data.n === 0) return retryAfter(hintMs)
        throw Object.assign(new Error('busy'), { retryAfterMs: hintMs })
      })
      // The ladder's own delay would be too short; its rung carries the message several times.
      const retry = { delaysMs: [bench.timing.rungMs, hintMs * 2] }
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler], retry })
      await service.publishMany(bench.noted, notes(2))
      await probe.waitForCount(4)
      for (const n of [0, 1]) {
        const calls = probe.items.filter(({ data }) => data.n === n)
        assert.equal(calls[1]?.attempt, 2)
        const [waitedMs = 0] = waitsOf(calls)
        assert.ok(waitedMs >= hintMs - 1, `${waitedMs} ms instead of at least ${hintMs}`)
      }
      await bench.counted(consumer, { retried: 2, handled: 2 })
      assert.ok(consumer.health().forwarded > 0, 'nothing was forwarded')
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
