import assert from 'node:assert/strict'
import { entryOf, idsOf, inboxKey } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { InboxKey } from '../ports.js'
import type { StorePromise } from './storeCase.js'

/** A message is new once for each consumer, with the effect of the transaction that says so. */
export const inbox: StorePromise = storePromise('inbox', [
  {
    title: 'a message is new once, and a duplicate from then on',
    async run(bench) {
      const remember = (): Promise<unknown> =>
        bench.inbox.transaction((tx) => bench.inbox.remember(tx, [inboxKey('1')]))
      assert.deepEqual(await remember(), ['new'])
      assert.deepEqual(await remember(), ['duplicate'])
      assert.deepEqual(await remember(), ['duplicate'])
    },
  },
  {
    title: 'consumer, source and id make a message together',
    async run(bench) {
      const keys = [
        inboxKey('1'),
        inboxKey('1', { consumer: 'shipping' }),
        inboxKey('1', { source: '/other' }),
        inboxKey('2'),
        inboxKey('é 世界 🚚'),
      ]
      const verdicts = await bench.inbox.transaction((tx) => bench.inbox.remember(tx, keys))
      assert.deepEqual(verdicts, ['new', 'new', 'new', 'new', 'new'])
    },
  },
  {
    title: 'the same id with another time is a duplicate, also in one list',
    async run(bench) {
      const times = [new Date(), new Date(Date.now() - 3_600_000), new Date(Date.now() + 172_800_000), undefined]
      const remember = (keys: readonly InboxKey[]): Promise<unknown> =>
        bench.inbox.transaction((tx) => bench.inbox.remember(tx, keys))
      for (const [index, time] of times.entries()) {
        assert.deepEqual(await remember([inboxKey('1', { time })]), [index === 0 ? 'new' : 'duplicate'])
      }
      const list = times.map((time) => inboxKey('2', { time }))
      assert.deepEqual(await remember(list), ['new', 'duplicate', 'duplicate', 'duplicate'])
      assert.deepEqual(await remember([inboxKey('1', { time: bench.longAgo })]), ['duplicate'])
      const old = inboxKey('3', { time: bench.longAgo })
      assert.deepEqual(await remember([old, inboxKey('3'), old]), ['expired', 'new', 'duplicate'])
    },
  },
  {
    title: 'verdicts come in the order of the keys, also for a message that stands there twice',
    async run(bench) {
      await bench.inbox.transaction((tx) => bench.inbox.remember(tx, [inboxKey('2')]))
      const keys = [inboxKey('1'), inboxKey('2'), inboxKey('3', { time: bench.longAgo }), inboxKey('4'), inboxKey('1')]
      const verdicts = await bench.inbox.transaction((tx) => bench.inbox.remember(tx, keys))
      assert.deepEqual(verdicts, ['new', 'duplicate', 'expired', 'new', 'duplicate'])
      assert.deepEqual(await bench.inbox.transaction((tx) => bench.inbox.remember(tx, [])), [])
    },
  },
  {
    title: 'what is rolled back is forgotten, together with the effect',
    async run(bench) {
      const failure = new Error('of the handler')
      const work = bench.inbox.transaction(async (tx) => {
        assert.deepEqual(await bench.inbox.remember(tx, [inboxKey('1')]), ['new'])
        await bench.writer.insert(tx, [entryOf('effect', 1)])
        throw failure
      })
      await assert.rejects(work, (error) => error === failure)
      await bench.inbox.transaction(async (tx) => {
        assert.deepEqual(await bench.inbox.remember(tx, [inboxKey('1')]), ['new'])
        await bench.writer.insert(tx, [entryOf('effect', 2)])
      })
      assert.deepEqual(idsOf(await bench.readAll()), ['effect-2'])
    },
  },
  {
    title: 'a message without a time is remembered all the same',
    async run(bench) {
      const remember = (): Promise<unknown> =>
        bench.inbox.transaction((tx) => bench.inbox.remember(tx, [inboxKey('1', { time: undefined })]))
      assert.deepEqual([await remember(), await remember()], [['new'], ['duplicate']])
    },
  },
  {
    title: 'a message that is older than the retention is expired, whether it came before or not',
    async run(bench) {
      const old = inboxKey('1', { time: bench.longAgo })
      for (let time = 0; time < 2; time += 1) {
        assert.deepEqual(await bench.inbox.transaction((tx) => bench.inbox.remember(tx, [old])), ['expired'])
      }
    },
  },
  {
    title: 'maintenance may be repeated and run twice at once, and forgets nothing within the retention',
    async run(bench) {
      await bench.inbox.transaction((tx) => bench.inbox.remember(tx, [inboxKey('1')]))
      await Promise.all([bench.inbox.maintain(), bench.inbox.maintain()])
      assert.deepEqual(await bench.inbox.maintain(), { created: 0, dropped: 0 })
      const verdicts = await bench.inbox.transaction((tx) => bench.inbox.remember(tx, [inboxKey('1'), inboxKey('2')]))
      assert.deepEqual(verdicts, ['duplicate', 'new'])
    },
  },
])
