import assert from 'node:assert/strict'
import { createDeadLetterProbe } from '../probes/deadLetterProbe.js'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** A dead letter stays until a reader has taken it. */
export const deadLetterReaders: PromiseDefinition = promise('deadLetterReaders', [
  {
    title: 'a dead letter that its reader refuses stays; one that was read does not come again',
    async run(bench) {
      const probe = bench.seen(bench.noted, () => {
        throw new Error('always')
      })
      const { service } = await bench.group('billing', { handlers: [probe.handler], retry: { delaysMs: [] } })
      const source = { destination: bench.destination, group: 'billing' }
      const refused = bench.probe<unknown>('refused')
      const refusing = bench.service()
      refusing.readDeadLetters(source, (letter) => {
        refused.record(letter)
        throw new Error('not today')
      })
      await refusing.start()
      await service.publish(bench.noted, { n: 1 })
      await refused.waitForCount(1)
      await refusing.stop()
      const reading = bench.service()
      const read = createDeadLetterProbe(reading, source, { timeoutMs: bench.timing.waitMs })
      await reading.start()
      await read.waitForCount(1)
      await reading.stop()
      const last = await bench.deadLetters('billing')
      await service.publish(bench.noted, { n: 2 }, { id: 'second' })
      await last.waitFor(({ envelope }) => envelope?.id === 'second')
      assert.equal(last.items.length, 1)
    },
  },
  {
    title: 'a reader that refuses more dead letters for good than it works on at once sees all the others',
    async run(bench) {
      const probe = bench.seen(bench.noted, () => {
        throw new Error('always')
      })
      const { service } = await bench.group('billing', { handlers: [probe.handler], retry: { delaysMs: [] } })
      const stays = Array.from({ length: 120 }, (_, n) => ({ n }))
      const goes = Array.from({ length: 30 }, (_, n) => ({ n: stays.length + n }))
      await service.publishMany(bench.noted, [...stays, ...goes])
      await probe.waitForCount(stays.length + goes.length)
      const taken = bench.probe<number>('taken')
      const reader = bench.service()
      reader.readDeadLetters({ destination: bench.destination, group: 'billing' }, ({ envelope }) => {
        const { n } = envelope!.data as { readonly n: number }
        if (n < stays.length) throw new Error('stays')
        taken.record(n)
      })
      await reader.start()
      const found = await taken.waitForCount(goes.length)
      assert.deepEqual(new Set(found), new Set(goes.map(({ n }) => n)))
    },
  },
])
