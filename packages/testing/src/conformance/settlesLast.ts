import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { identitiesOf, observe, storyOf } from './observedTransport.js'

/** A message is completed after its copy is confirmed, and not before its handler is done. */
export const settlesLast: PromiseDefinition = promise('settlesLast', [
  {
    title: 'the original is completed only after its retry, or its dead letter, is confirmed; copies keep id and key',
    async run(bench) {
      const { transport, observations } = observe(bench.transport())
      const group = `${bench.destination}.billing`
      const probe = bench.seen(bench.noted, () => {
        throw new Error('always')
      })
      const starting = bench.deadLetters('billing')
      const retry = { delaysMs: [bench.timing.rungMs] }
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler], retry }, { transport })
      const dead = await starting
      const { id } = await service.publish(bench.noted, { n: 1 }, { partitionKey: 'k' })
      await dead.waitForCount(1)
      await bench.counted(consumer, { deadLettered: 1 })
      assert.deepEqual(storyOf(observations, group), [
        'delivered',
        `sending retry.${bench.timing.rungMs}`,
        `sent retry.${bench.timing.rungMs}`,
        'completed',
        'delivered',
        'sending dead',
        'sent dead',
        'completed',
      ])
      assert.deepEqual(new Set(identitiesOf(observations)), new Set([`${id} k`]))
    },
  },
  {
    title: 'a message is settled once, and not while its handler runs',
    async run(bench) {
      const { transport, observations } = observe(bench.transport())
      const group = `${bench.destination}.billing`
      const gate = bench.gate()
      const probe = bench.seen(bench.noted, () => gate.pass())
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler] }, { transport })
      await service.publish(bench.noted, { n: 1 })
      await probe.waitForCount(1)
      assert.deepEqual(storyOf(observations, group), ['delivered'])
      gate.open()
      await bench.counted(consumer, { handled: 1 })
      await service.stop()
      assert.deepEqual(storyOf(observations, group), ['delivered', 'completed'])
    },
  },
])
