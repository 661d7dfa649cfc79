import type { Database, Row } from './database.js'
import { bindPgliteTransaction, pgliteExecutor } from './executors/pgliteExecutor.js'
import type { Pglite } from './executors/pgliteExecutor.js'

/** The database inside the process. It has one connection: what comes during a transaction waits for its end. */
export function pgliteDatabase(pglite: Pglite): Database {
  const executor = pgliteExecutor(pglite)
  return {
    query: async (text, values = []) => (await pglite.query(text, [...values])).rows as Row[],
    transaction: (work) => executor.transaction((tx) => work(bindPgliteTransaction(tx))),
    listen: async (channel, events) => {
      let over = false
      const unlisten = await pglite.listen(channel, () => void (!over && events.onHint()))
      return {
        close: async () => {
          if (over) return
          over = true
          await unlisten()
        },
      }
    },
  }
}
