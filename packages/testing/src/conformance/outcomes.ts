import assert from 'node:assert/strict'
import { NonRetryableError, complete, deadLetter, discard } from '@posthorn/core'
import type { Handler } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import type { Note } from './messages.js'
import { sortedNumbersOf } from './messages.js'

const answers: readonly Handler<Note>[] = [
  () => undefined,
  () => complete(),
  () => discard('on purpose'),
  () => deadLetter('not for us'),
  () => Promise.reject(new NonRetryableError('hopeless')),
  // What is no outcome: a handler that forgot what to return.
  () => 'done' as never,
  () => Promise.resolve({ kind: 'complete' } as never),
]

/** A handler's answer settles its message, once, and nothing but an outcome is an answer. */
export const outcomes: PromiseDefinition = promise('outcomes', [
  {
    title: 'complete, discard, deadLetter, NonRetryableError and wrong results each end a message at its first attempt',
    async run(bench) {
      const probe = bench.seen(bench.noted, (message, context) => answers[message.data.n]!(message, context))
      const starting = bench.deadLetters('billing')
      const retry = { delaysMs: [0, bench.timing.rungMs] }
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler], retry })
      const dead = await starting
      for (const n of answers.keys()) await service.publish(bench.noted, { n })
      const letters = await dead.waitForCount(4)
      const facts = letters.map(({ envelope, reason, attempts, error }) => {
        return `${(envelope?.data as Note | undefined)?.n} ${reason} ${attempts} ${error?.name}`
      })
      assert.deepEqual(facts.sort(), [
        '3 rejected 1 Error',
        '4 nonRetryable 1 NonRetryableError',
        '5 nonRetryable 1 NonRetryableError',
        '6 nonRetryable 1 NonRetryableError',
      ])
      assert.equal(letters.find(({ reason }) => reason === 'rejected')?.error?.message, 'not for us')
      await bench.counted(consumer, { handled: 2, discarded: 1, deadLettered: 4, retried: 0 })
      assert.deepEqual(sortedNumbersOf(probe.items), [...answers.keys()])
    },
  },
])
