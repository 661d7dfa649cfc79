import assert from 'node:assert/strict'
import type { AdoptForeign } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { sendForeign } from './foreignMessages.js'
import { sortedNumbersOf } from './messages.js'

/** A message that is no CloudEvent goes where `foreign` says. */
export const foreignArrivals: PromiseDefinition = promise('foreignArrivals', [
  {
    title: 'foreign messages and tombstones are dead-lettered with their bytes and content type',
    async run(bench) {
      const { dead } = await sendForeign(bench, 'deadLetter')
      const letters = await dead.waitForCount(3)
      assert.deepEqual(
        letters.map(({ reason }) => reason),
        ['foreign', 'foreign', 'foreign'],
      )
      const facts = letters.map(({ body, contentType }) => `${contentType}:${Buffer.from(body ?? []).toString()}`)
      assert.deepEqual(facts.sort(), [':', 'application/json:{"order":7}', 'text/plain:hello'])
    },
  },
  {
    title: 'foreign messages and tombstones are skipped and counted where the group says so',
    async run(bench) {
      const { consumer, dead } = await sendForeign(bench, 'skip')
      await bench.counted(consumer, { skipped: 3 })
      assert.equal(dead.items.length, 0)
    },
  },
  {
    title: 'foreign messages that the group adopts are handled, the others dead-lettered',
    async run(bench) {
      const adopt: AdoptForeign = ({ contentType }) =>
        contentType === 'application/json'
          ? { specversion: '1.0', id: 'adopted', source: '/legacy', type: bench.noted.type, data: { n: 7 } }
          : undefined
      const { probe, dead } = await sendForeign(bench, adopt)
      assert.deepEqual(sortedNumbersOf(await probe.waitForCount(3)), [1, 2, 7])
      await dead.waitForCount(2)
    },
  },
])
