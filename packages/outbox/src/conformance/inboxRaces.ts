import assert from 'node:assert/strict'
import { entryOf, inboxKey } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** Copies that are handled at the same time have one effect. */
export const inboxRaces: StorePromise = storePromise('inboxRaces', [
  {
    title: 'of eight transactions at once, each with another time, one is told that the message is new',
    async run(bench) {
      const handle = (minutes: number): Promise<string | undefined> =>
        bench.inbox.transaction(async (tx) => {
          const time = new Date(Date.now() - minutes * 60_000)
          const [verdict] = await bench.inbox.remember(tx, [inboxKey('1', { time })])
          if (verdict === 'new') await bench.writer.insert(tx, [entryOf('effect', 1)])
          return verdict
        })
      const verdicts = await Promise.all(Array.from({ length: 8 }, (_, index) => handle(index)))
      assert.deepEqual(verdicts.filter((verdict) => verdict === 'new').length, 1)
      assert.deepEqual(verdicts.filter((verdict) => verdict === 'duplicate').length, 7)
      assert.equal((await bench.readAll()).length, 1)
    },
  },
  {
    title: 'a second transaction waits for the first, and is told what became of it',
    needs: 'concurrentTransactions',
    async run(bench) {
      for (const end of ['commit', 'rollback'] as const) {
        const events: string[] = []
        const [first, second] = [await bench.begin(), await bench.begin()]
        assert.deepEqual(await bench.inbox.remember(first.tx, [inboxKey(end)]), ['new'])
        const waiting = bench.inbox.remember(second.tx, [inboxKey(end)]).then((verdicts) => {
          events.push('answered')
          return verdicts
        })
        // Time for an answer that comes too early.
        for (let turn = 0; turn < 5; turn += 1) await bench.relays.stats()
        events.push('ended')
        await first[end]()
        assert.deepEqual(await waiting, [end === 'commit' ? 'duplicate' : 'new'])
        await second.commit()
        assert.deepEqual(events, ['ended', 'answered'])
      }
    },
  },
])
