import assert from 'node:assert/strict'
import { entryOf } from './storeBench.js'
import { storePromise } from './storeCase.js'
import type { StorePromise } from './storeCase.js'

/** Relays hear of new entries; a hint and no more. */
export const listening: StorePromise = storePromise('listening', [
  {
    title: 'a commit is heard by every listener, until it closes',
    needs: 'listens',
    async run(bench) {
      const heard = [0, 0]
      const listen = (index: number): ReturnType<typeof bench.relays.listen> =>
        bench.relays.listen({ onHint: () => void (heard[index] = (heard[index] ?? 0) + 1), onLost: () => {} })
      const first = await listen(0)
      const second = await listen(1)
      assert.ok(first !== undefined && second !== undefined)
      await bench.commit([entryOf('a', 1)])
      await bench.eventually(
        () => Promise.resolve(heard),
        ([one = 0, two = 0]) => one > 0 && two > 0,
      )
      await first.close()
      const atClose = heard[0]
      const before = heard[1] ?? 0
      await bench.commit([entryOf('a', 2)])
      await bench.eventually(
        () => Promise.resolve(heard[1] ?? 0),
        (count) => count > before,
      )
      assert.equal(heard[0], atClose)
      await Promise.all([first.close(), second.close()])
    },
  },
  {
    title: 'a store that hears nothing says so',
    lacks: 'listens',
    async run(bench) {
      assert.equal(await bench.relays.listen({ onHint: () => {}, onLost: () => {} }), undefined)
    },
  },
])
