import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { sortedNumbersOf } from './messages.js'

/** After its expiry no handler sees a message; it is dead-lettered, not dropped. */
export const expiry: PromiseDefinition = promise('expiry', [
  {
    title:
      'an expired message is dead-lettered without an attempt, and one that would expire before its retry with one',
    async run(bench) {
      const { waitMs, rungMs } = bench.timing
      const probe = bench.seen(bench.noted, ({ data }) => {
        if (data.n === 2) throw new Error('later')
      })
      const starting = bench.deadLetters('billing')
      // The rung is longer than the message lives: its retry could only come too late.
      const retry = { delaysMs: [waitMs * 2 + rungMs] }
      const { service } = await bench.group('billing', { handlers: [probe.handler], retry })
      const dead = await starting
      const after = (ms: number): { expiresAt: Date } => ({ expiresAt: new Date(Date.now() + ms) })
      await service.publish(bench.noted, { n: 1 }, after(-1))
      await service.publish(bench.noted, { n: 2 }, after(waitMs * 2))
      await service.publish(bench.noted, { n: 3 }, after(waitMs * 2))
      const letters = await dead.waitForCount(2)
      const facts = letters.map(({ reason, attempts }) => `${reason} ${attempts}`)
      assert.deepEqual(facts.sort(), ['expired 0', 'expired 1'])
      await probe.waitForCount(2)
      assert.deepEqual(sortedNumbersOf(probe.items), [2, 3])
    },
  },
])
