import type { ServiceDatabase, ShopStore } from '../../database/shopDatabase.js'
import { ShopError } from '../../shopError.js'

/**
 * Where a worker can be made to die: in the middle of a transaction, when everything is written and nothing committed; between the
 * commit and the acknowledgement; and, a relay, between the broker's confirmation and the deletion of the entries.
 */
export type CrashPoint = 'beforeCommit' | 'afterCommit' | 'beforeDelete'

/** Lets a worker die at a point, once it is armed. */
export interface Fuse {
  /** Whatever passes the point next dies there. */
  arm(point: CrashPoint): void
  disarm(): void
  /** Passes a point; at the armed one it calls `die`. Rejects with `SHOP_CRASHED` when the worker is dead. */
  pass(point?: CrashPoint): Promise<void>
  /** From now on nothing passes. */
  burn(): void
}

/** `die` may never come back: a process that kills itself does not. */
export function createFuse(die: () => Promise<void>): Fuse {
  let armed: CrashPoint | undefined
  let isBurnt = false
  return {
    arm: (point) => void (armed = point),
    disarm: () => void (armed = undefined),
    async pass(point) {
      if (point !== undefined && point === armed) {
        armed = undefined
        await die()
      }
      if (isBurnt) throw new ShopError('SHOP_CRASHED', 'This worker has crashed')
    },
    burn: () => void (isBurnt = true),
  }
}

/** The database as a worker sees it that may die: after its death nothing of it reaches the database any more. */
export function withFuse(database: ServiceDatabase, fuse: Fuse): ServiceDatabase {
  return {
    schema: database.schema,
    async query(text, values) {
      await fuse.pass()
      return database.query(text, values)
    },
    store: storeWithFuse(database.store, fuse),
  }
}

function storeWithFuse(store: ShopStore, fuse: Fuse): ShopStore {
  const passing =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await fuse.pass()
      return call(...args)
    }
  return {
    insert: passing((...args) => store.insert(...args)),
    prepare: passing(() => store.prepare()),
    renew: passing((...args) => store.renew(...args)),
    giveBack: passing((...args) => store.giveBack(...args)),
    leave: passing((...args) => store.leave(...args)),
    read: passing((...args) => store.read(...args)),
    async remove(...args) {
      await fuse.pass('beforeDelete')
      return store.remove(...args)
    },
    fail: passing((...args) => store.fail(...args)),
    releaseDue: passing((...args) => store.releaseDue(...args)),
    listen: passing((...args) => store.listen(...args)),
    stats: passing(() => store.stats()),
    parkedKeys: passing((...args) => store.parkedKeys(...args)),
    decide: passing((...args) => store.decide(...args)),
    close: () => store.close(),
    async transaction(work) {
      await fuse.pass()
      const result = await store.transaction(async (tx) => {
        const done = await work(tx)
        await fuse.pass('beforeCommit')
        return done
      })
      await fuse.pass('afterCommit')
      return result
    },
    remember: passing((...args) => store.remember(...args)),
    maintain: passing(() => store.maintain()),
  }
}
