import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { sortedNumbersOf } from './messages.js'

/** The services of one group share its messages. */
export const competingServices: PromiseDefinition = promise('competingServices', [
  {
    title: 'the services of one group share its messages, and each message goes to one of them',
    async run(bench) {
      const [left, right] = [bench.seen(), bench.seen()]
      const [{ service }] = await Promise.all([
        bench.group('billing', { handlers: [left.handler] }),
        bench.group('billing', { handlers: [right.handler] }),
      ])
      let sent = 0
      const publishOne = (): Promise<unknown> => service.publish(bench.noted, { n: (sent += 1) - 1 })
      const both = (): boolean => left.items.length > 0 && right.items.length > 0
      await bench.eventually('both services to get some', publishOne, both)
      const all = (): number[] => sortedNumbersOf([...left.items, ...right.items])
      await bench.eventually('all messages', all, (numbers) => numbers.length >= sent)
      assert.deepEqual(all(), [...Array(sent).keys()])
    },
  },
])
