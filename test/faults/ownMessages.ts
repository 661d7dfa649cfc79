import { hasEnded } from './ledger.js'
import type { Ledger } from './ledger.js'
import { openLedger } from './ledgerFile.js'
import type { LedgerWriter } from './ledgerFile.js'
import type { OwnMessages } from './target.js'
import { idOf } from './traffic.js'

/** Writes down what faults publish, in a file of its own. */
export function createOwnMessages(path: string, ledger: Ledger, now: () => number): OwnMessages {
  let file: LedgerWriter | undefined
  let count = 0
  return {
    now,
    async attempt(flow, who) {
      file ??= openLedger(path)
      const id = idOf(flow, who, (count += 1))
      await file.write(`a ${id} ${now()}`)
      return id
    },
    confirmed: async (id) => file?.write(`k ${id} 1 ${now()}`),
    hasEnded(id) {
      const facts = ledger.messages.get(id)
      return facts !== undefined && hasEnded(facts)
    },
  }
}
