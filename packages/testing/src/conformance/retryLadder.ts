import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, numbersOf, waitsOf } from './messages.js'

/** A failed message climbs its ladder, counted by us, late rather than early, and ends in the dead letters. */
export const retryLadder: PromiseDefinition = promise('retryLadder', [
  {
    title: 'a handler that throws gets every attempt of the ladder, then the message is dead-lettered',
    async run(bench) {
      const { rungMs } = bench.timing
      const probe = bench.seen(bench.noted, () => {
        throw new RangeError('no luck')
      })
      const starting = bench.deadLetters('billing')
      const retry = { delaysMs: [0, rungMs, rungMs * 2] }
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler], retry })
      const dead = await starting
      await service.publish(bench.noted, { n: 1 })
      const [letter] = await dead.waitForCount(1)
      assert.deepEqual([letter?.reason, letter?.attempts, letter?.error?.name], ['retriesExhausted', 4, 'RangeError'])
      assert.deepEqual(
        probe.items.map(({ attempt }) => attempt),
        [1, 2, 3, 4],
      )
      const [, first = 0, second = 0] = waitsOf(probe.items)
      assert.ok(first >= rungMs - 1 && second >= rungMs * 2 - 1, `too early: ${first} and ${second} ms`)
      // The retry at once stays in the process: only a copy from a rung carries a number.
      const counted = probe.items.map(({ headers }) => headers['posthorn-attempt'])
      assert.deepEqual(counted, [undefined, undefined, '3', '4'])
      await bench.counted(consumer, { retried: 2, deadLettered: 1, handled: 0 })
    },
  },
  {
    title: 'while one message waits in a rung, others are handled; it succeeds later with its attempt counted',
    async run(bench) {
      const probe = bench.seen(bench.noted, ({ data }, { attempt }) => {
        if (data.n === 0 && attempt === 1) throw new Error('later')
      })
      const options = { handlers: [probe.handler], retry: { delaysMs: [bench.longRungMs] }, concurrency: 1 }
      const { service } = await bench.group('billing', options)
      await service.publishMany(bench.noted, notes(4))
      const seen = await probe.waitForCount(5)
      assert.equal(numbersOf(seen).at(-1), 0)
      assert.deepEqual(seen.at(-1)?.attempt, 2)
    },
  },
])
