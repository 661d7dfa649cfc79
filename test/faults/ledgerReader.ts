import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { applyLine } from './ledger.js'
import type { Ledger } from './ledger.js'

/** Reads the files of a folder while they grow. */
export interface LedgerReader {
  /** Takes what was written since the last call. */
  poll(): void
}

const chunkBytes = 1_048_576

interface Tail {
  offset: number
  /** Of a line whose end is not written yet; for ever, where its process was killed in the middle. */
  rest: string
}

export function createLedgerReader(folder: string, ledger: Ledger): LedgerReader {
  const tails = new Map<string, Tail>()
  const chunk = Buffer.alloc(chunkBytes)

  function pollFile(name: string): void {
    const tail = tails.get(name) ?? { offset: 0, rest: '' }
    tails.set(name, tail)
    const file = openSync(join(folder, name), 'r')
    try {
      for (;;) {
        const bytes = readSync(file, chunk, 0, chunkBytes, tail.offset)
        if (bytes === 0) return
        tail.offset += bytes
        const lines = (tail.rest + chunk.toString('latin1', 0, bytes)).split('\n')
        tail.rest = lines.pop()!
        for (const line of lines) applyLine(ledger, name, line)
      }
    } finally {
      closeSync(file)
    }
  }

  return {
    poll() {
      // Attempts first: what a consumer wrote of a message comes after what its publisher wrote.
      for (const name of readdirSync(folder)
        .filter((entry) => entry.endsWith('.ledger'))
        .sort())
        pollFile(name)
    },
  }
}
